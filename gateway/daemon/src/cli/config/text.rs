//! What `gatehouse config` prints.

use std::fmt::Write as _;

use super::Paint;
use crate::control::Told;
use crate::replay::{Skipped, Summary};
use crate::transaction::{Applied, Draft, Entry, LineMark, Refusal, Touch, Unconfirmed, Way};

/// Changed places that a line names.
const NAMED: usize = 4;

pub(super) fn told(told: &Told, with_diff: bool, paint: Paint) -> String {
    match told {
        Told::Shown { text, .. } => text.clone(),
        Told::Draft(draft) => {
            let mut text = if with_diff { diff(draft, paint) } else { String::new() };
            text.push_str(&draft_lines(draft, paint));
            text
        }
        Told::Applied(applied, draft) => {
            let mut text = draft.as_ref().map(|draft| diff(draft, paint)).unwrap_or_default();
            text.push_str(&applied_lines(applied, paint));
            text
        }
        Told::History(entries, unconfirmed) => history(entries, unconfirmed.as_ref(), paint),
        // Printed as errors.
        Told::Refused(_) | Told::Error(_) => String::new(),
    }
}

/// What to do about it.
pub(super) const fn hint(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::FileChanged { .. } => {
            "hint: gatehouse reload uses the edited file; gatehouse config history has what ran\n"
        }
        Refusal::Unconfirmed { .. } => "hint: gatehouse config confirm, or gatehouse config undo\n",
        Refusal::NothingUnconfirmed => {
            "hint: gatehouse config return N goes back to what gatehouse config history lists\n"
        }
        Refusal::NoEntry { .. } => "hint: gatehouse config history lists them\n",
        _ => "",
    }
}

fn diff(draft: &Draft, paint: Paint) -> String {
    let mut text = String::new();
    for line in &draft.diff {
        // Writing to a String cannot fail.
        let _ = match line.mark {
            LineMark::Same => writeln!(text, "  {:>5}  {}", line.n, line.text),
            LineMark::New => {
                writeln!(text, "{}", paint.good(&format!("+ {:>5}  {}", line.n, line.text)))
            }
            LineMark::Gone => {
                writeln!(text, "{}", paint.bad(&format!("- {:>5}  {}", line.n, line.text)))
            }
            LineMark::Gap => writeln!(text, "{}", paint.dim("      …")),
        };
    }
    text
}

fn draft_lines(draft: &Draft, paint: Paint) -> String {
    let mut text = String::new();
    if draft.hash == draft.before {
        return format!("nothing to do: configuration {} holds already\n", draft.hash);
    }
    let _ = writeln!(
        text,
        "right: configuration {} could hold in place of {}",
        draft.hash, draft.before
    );
    let _ = writeln!(text, "  changes: {}", places(&draft.changed, draft.changed.len()));
    if let Some(within) = draft.confirm_within_s {
        let touches: Vec<_> = draft.touches.iter().map(|touch| touched(*touch)).collect();
        let _ = writeln!(
            text,
            "  {} {}; to be confirmed within {within} s, or it is put back",
            paint.warn("touches:"),
            touches.join(", ")
        );
    }
    rest(&draft.needs_restart, &draft.warnings, &mut text);
    if let Some(summary) = &draft.replay {
        replay(summary, &mut text, paint);
    }
    text
}

fn applied_lines(applied: &Applied, paint: Paint) -> String {
    let Applied { before, after, needs_restart, warnings, confirm_within_s } = applied;
    if before == after {
        return format!("nothing to do: configuration {after} holds already\n");
    }
    let mut text = format!("configuration {after} holds in place of {before}\n");
    rest(needs_restart, warnings, &mut text);
    if let Some(within) = confirm_within_s {
        let _ = writeln!(
            text,
            "{} put back in {within} s unless you say: gatehouse config confirm",
            paint.warn("unconfirmed:")
        );
    }
    text
}

fn rest(needs_restart: &[String], warnings: &[String], text: &mut String) {
    if !needs_restart.is_empty() {
        let _ = writeln!(text, "  from the next start on: {}", needs_restart.join(", "));
    }
    for warning in warnings {
        let _ = writeln!(text, "warning: {warning}");
    }
}

const fn touched(touch: Touch) -> &'static str {
    match touch {
        Touch::Broker => "the way to the district",
        Touch::Page => "the page",
    }
}

fn places(changed: &[String], count: usize) -> String {
    match (changed, count) {
        ([], _) => "comments only".to_owned(),
        (changed, count) => {
            let named: Vec<_> = changed.iter().take(NAMED).map(String::as_str).collect();
            let more = count.saturating_sub(named.len());
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            named.join(", ") + &more
        }
    }
}

fn replay(summary: &Summary, text: &mut String, paint: Paint) {
    let _ = match summary {
        Summary::Unaffected => writeln!(text, "  alarms: nothing changes that an alarm depends on"),
        Summary::Compared {
            days,
            events,
            more,
            missed,
            shifted,
            others,
            recorded,
            again,
            not_comparable,
            ..
        } => {
            let plural = if *more == 1 { "" } else { "s" };
            let what = if (*more, *missed, *shifted) == (0, 0, 0) {
                paint.good("the alarms would have been the same")
            } else {
                paint.bold(&format!(
                    "would have raised {more} more alarm{plural}, missed {missed}, and told {shifted} at \
                     another time"
                ))
            };
            let _ = writeln!(text, "  last {days} days ({events} events): {what}");
            if *others > 0 {
                let _ =
                    writeln!(text, "  besides alarms, {others} events would have been different");
            }
            for note in not_comparable {
                let _ = writeln!(text, "  {} {note}", paint.dim("not comparable:"));
            }
            writeln!(
                text,
                "  the replay under what holds: {again} of {recorded} recorded alarms told again"
            )
        }
        Summary::Skipped { skipped } => {
            let why = match skipped {
                Skipped::TooMany => "there are more events than are replayed for this",
                Skipped::TooLong => "it would take too long",
                Skipped::Unreadable => "the journal cannot be read",
            };
            writeln!(text, "  not replayed: {why}; gatehouse replay does it without bounds")
        }
    };
}

fn history(entries: &[Entry], unconfirmed: Option<&Unconfirmed>, paint: Paint) -> String {
    let mut text = String::new();
    for entry in entries {
        let who = match entry.who.via {
            Way::Signal => "edited by hand",
            Way::Cli => "gatehouse config",
            Way::Web => "page",
            Way::District => "district",
            Way::Gateway => "gateway",
        };
        let name = entry.who.name.as_deref().map(|name| format!(" {name}")).unwrap_or_default();
        let why = entry.why.as_deref().map(|why| format!(" ({why})")).unwrap_or_default();
        let changed = match entry.parent {
            Some(_) => places(&entry.changed, entry.changed_count),
            None => "the first that is known".to_owned(),
        };
        let _ = writeln!(
            text,
            "{}  {}  {}  {who}{name}{why}: {changed}",
            paint.bold(&format!("{:>5}", entry.n)),
            entry.at,
            entry.hash
        );
    }
    if let Some(one) = unconfirmed {
        let _ = writeln!(
            text,
            "{} {} is put back in {} s unless you say: gatehouse config confirm",
            paint.warn("unconfirmed:"),
            one.after,
            one.left_s
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transaction::{Line, Who};
    use gatehouse_core::time::UtcMs;

    fn draft() -> Draft {
        let line = |mark, n, text: &str| Line { mark, n, text: text.to_owned() };
        Draft {
            before: "a".into(),
            hash: "b".into(),
            diff: vec![
                line(LineMark::Gone, 7, "host = \"one\""),
                line(LineMark::New, 7, "host = \"two\""),
            ],
            changed: vec!["broker.main.host".into()],
            touches: vec![Touch::Broker],
            confirm_within_s: Some(120),
            needs_restart: vec!["log".into()],
            warnings: vec![],
            replay: Some(Summary::Unaffected),
        }
    }

    #[test]
    fn what_would_change_is_told_with_what_it_touches() {
        let told = told(&Told::Draft(Box::new(draft())), true, Paint(false));
        assert_eq!(
            told,
            "-     7  host = \"one\"\n+     7  host = \"two\"\nright: configuration b could hold in place \
             of a\n  changes: broker.main.host\n  touches: the way to the district; to be confirmed \
             within 120 s, or it is put back\n  from the next start on: log\n  alarms: nothing changes \
             that an alarm depends on\n"
        );
    }

    #[test]
    fn the_history_says_who_and_what() {
        let entry = Entry {
            n: 3,
            at: UtcMs(0),
            hash: "b".into(),
            parent: Some("a".into()),
            who: Who::operator("op-7"),
            changed: (0..6).map(|n| format!("door.d{n}.name")).collect(),
            changed_count: 20,
            why: None,
        };
        let told = told(&Told::History(vec![entry], None), true, Paint(false));
        assert!(told.starts_with("    3  1970-01-01T00:00:00"), "{told}");
        assert!(told.contains("  b  district op-7: door.d0.name, "), "{told}");
        assert!(told.ends_with("door.d3.name and 16 more\n"), "{told}");
    }
}
