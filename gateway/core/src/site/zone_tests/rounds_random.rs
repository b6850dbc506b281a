//! Random rounds, visits, clocks and restarts: what must hold whatever happens.

use proptest::prelude::*;

use super::random::{begins_and_ends, cases};
use super::rounds::{MIN, round};
use super::*;
use crate::event::Draft;

#[derive(Clone, Copy, Debug)]
enum Op {
    /// A button is pressed and let go.
    Press(usize),
    Tick,
    /// The wall clock steps by so many seconds.
    Step(i64),
    /// It is not known, or known again.
    Clock(bool),
}

fn op(steps: bool) -> BoxedStrategy<Op> {
    let usual = prop_oneof![
        6 => (0..3_usize).prop_map(Op::Press),
        3 => Just(Op::Tick),
    ];
    if steps {
        let step = prop_oneof![-200_000..200_000_i64, -3_000..3_000_i64].prop_map(Op::Step);
        prop_oneof![9 => usual, 1 => step, 1 => any::<bool>().prop_map(Op::Clock)].boxed()
    } else {
        usual.boxed()
    }
}

/// Waits of seconds to hours between what happens.
fn script(steps: bool) -> impl Strategy<Value = Vec<(u64, Op)>> {
    let wait = prop_oneof![500..5_000_u64, MIN..12 * MIN, 30 * MIN..300 * MIN];
    proptest::collection::vec((wait, op(steps)), 1..60)
}

fn config() -> impl Strategy<Value = SiteConfig> {
    let order = prop_oneof![Just(Order::Strict), Just(Order::Any)];
    let window = (0..1440_u16, 1..1441_u16, 1..128_u8).prop_map(|(from, until, days)| {
        let week = [
            jiff::civil::Weekday::Monday,
            jiff::civil::Weekday::Tuesday,
            jiff::civil::Weekday::Wednesday,
            jiff::civil::Weekday::Thursday,
            jiff::civil::Weekday::Friday,
            jiff::civil::Weekday::Saturday,
            jiff::civil::Weekday::Sunday,
        ];
        let days = week.into_iter().enumerate().filter(|(n, _)| days >> n & 1 == 1);
        Weekly { days: Days::of(days.map(|(_, day)| day)), from, until }
    });
    let windows = proptest::collection::vec(window, 1..5);
    let zone = proptest::sample::select(vec!["UTC0", "CET-1CEST,M3.5.0,M10.5.0/3", "CST-8"]);
    (order, windows, zone, any::<bool>()).prop_map(|(order, windows, zone, two)| {
        let mut config = round(order);
        config.rounds[0].starts = windows;
        config.access.time_zone = jiff::tz::TimeZone::posix(zone).unwrap();
        if two {
            let other = RoundConfig { id: id("other"), ..config.rounds[0].clone() };
            config.rounds.push(RoundConfig { checkpoints: vec![2, 0], ..other });
        }
        config
    })
}

/// A box on its clocks.
struct Run {
    this: Box_,
    step_s: i64,
    known: bool,
    drafts: Vec<Draft>,
}

impl Run {
    fn new(config: &SiteConfig) -> Self {
        let (mut this, _) = Box_::of(config.clone()).restarted(config.clone(), "boot", 1_000);
        let at = Mono(this.ms * 1_000_000);
        for checkpoint in 0..3 {
            this.put(Input::Checkpoint { checkpoint, pressed: Some(false), at });
        }
        Self { this, step_s: 0, known: true, drafts: Vec::new() }
    }

    fn now(&self) -> Now {
        let mut now = now(self.this.ms);
        now.utc.0 += self.step_s * 1_000;
        if !self.known {
            (now.clock, now.err_ms) = (ClockState::Never, None);
        }
        now
    }

    fn put(&mut self, input: Input) {
        let now = self.now();
        let effects = self.this.site.apply(input, &now);
        assert_eq!(
            self.this.site.next,
            self.this.site.earliest(),
            "a deadline is remembered wrong"
        );
        self.drafts.extend(effects.iter().filter_map(|effect| effect.record().cloned()));
        self.this.take(effects);
    }

    /// As the daemon does it: it wakes at each deadline, and then something happens.
    fn wait(&mut self, ms: u64) {
        let end = self.this.ms + ms;
        while let Some(next) = self.this.site.next_deadline() {
            let at = next.0.div_ceil(1_000_000).max(self.this.ms + 1);
            if at > end {
                break;
            }
            self.this.ms = at;
            self.put(Input::Tick);
        }
        self.this.ms = end;
    }

    fn act(&mut self, op: Op) {
        let at = Mono(self.this.ms * 1_000_000);
        match op {
            Op::Press(checkpoint) => {
                self.put(Input::Checkpoint { checkpoint, pressed: Some(true), at });
                self.put(Input::Checkpoint { checkpoint, pressed: Some(false), at });
            }
            Op::Step(by) => {
                self.step_s += by;
                self.put(Input::Tick);
            }
            Op::Clock(known) => {
                self.known = known;
                self.put(Input::Tick);
            }
            Op::Tick => self.put(Input::Tick),
        }
    }

    fn restart(&mut self, config: &SiteConfig) {
        let mut site = Site::new(config.clone(), "boot");
        let kept = self.this.kept.clone();
        let kept = kept.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let now = self.now();
        let effects = site.restore(kept, &id("g"), &now);
        self.this.site = site;
        self.drafts.extend(effects.iter().filter_map(|effect| effect.record().cloned()));
        self.this.take(effects);
        let at = now.mono;
        for checkpoint in 0..3 {
            self.put(Input::Checkpoint { checkpoint, pressed: Some(false), at });
        }
    }

    /// How each time that a round was due ended; `None`: counted in a sum.
    fn ends(&self) -> Vec<(String, String, String)> {
        let ends =
            |draft: &&Draft| matches!(&*draft.kind, "round.done" | "round.late" | "round.missed");
        let ends = self.drafts.iter().filter(ends).filter_map(|draft| {
            let due = draft.detail.as_ref()?.get("due")?.as_str()?.to_owned();
            Some((draft.source.id.to_string(), due, draft.kind.to_string()))
        });
        ends.collect()
    }
}

/// Every window that opens in a time, counted minute by minute: slow, and by nobody's cleverness. Of a
/// zone in September, in which no clock changes.
fn windows(config: &RoundConfig, from: UtcMs, to: UtcMs, zone: &jiff::tz::TimeZone) -> usize {
    let at = jiff::Timestamp::from_millisecond(from.0).unwrap();
    let ahead = i64::from(zone.to_offset(at).seconds()) / 60;
    let minutes = from.0.div_euclid(60_000) + 1..=to.0.div_euclid(60_000);
    let opens = |minute: &i64| {
        let (day, minute) =
            ((minute + ahead).div_euclid(1_440), (minute + ahead).rem_euclid(1_440));
        // The first day of 1970 was a Thursday.
        let day = i8::try_from((day + 3).rem_euclid(7)).unwrap();
        let day = jiff::civil::Weekday::from_monday_zero_offset(day).unwrap();
        config.starts.iter().any(|w| i64::from(w.from) == minute && w.days.contains(day))
    };
    minutes.filter(opens).count()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn every_round_that_is_due_ends_once_as_done_late_or_missed(
        config in config(), script in script(false),
    ) {
        let mut run = Run::new(&config);
        let began = run.now().utc;
        for (wait, op) in script {
            run.wait(wait);
            run.act(op);
        }
        // What is due now ends before long.
        let last = run.now().utc;
        run.wait(30 * 3_600_000);
        begins_and_ends(&run.drafts)?;
        let mut ends = run.ends();
        ends.sort();
        for pair in ends.windows(2) {
            prop_assert!(pair[0].0 != pair[1].0 || pair[0].1 != pair[1].1, "{pair:?}");
        }
        // In September no clock changes: each opening is found by the minute, too.
        for round in &config.rounds {
            let before = |due: &str| {
                serde_json::from_str::<UtcMs>(&format!("\"{due}\"")).unwrap() <= last
            };
            let ended = ends.iter().filter(|(id, due, _)| *id == round.id.as_str() && before(due));
            let due = windows(round, began, last, &config.access.time_zone);
            prop_assert_eq!(ended.count(), due, "of {}", &round.id);
        }
    }

    #[test]
    fn no_clock_makes_a_round_end_twice_or_an_end_without_a_beginning(
        config in config(), script in script(true),
    ) {
        let mut run = Run::new(&config);
        for (wait, op) in script {
            run.wait(wait);
            run.act(op);
        }
        begins_and_ends(&run.drafts)?;
        let mut ends = run.ends();
        let count = ends.len();
        ends.sort();
        ends.dedup_by(|a, b| (&a.0, &a.1) == (&b.0, &b.1));
        prop_assert_eq!(ends.len(), count, "one time that it was due ended twice");
    }

    #[test]
    fn what_a_clock_passes_over_is_told_once_it_is_known(
        config in config(), script in script(true),
    ) {
        let mut run = Run::new(&config);
        let began = run.now().utc;
        let mut furthest = began;
        for (wait, op) in script {
            run.wait(wait);
            run.act(op);
            if run.known {
                furthest = furthest.max(run.now().utc);
            }
        }
        run.known = true;
        run.act(Op::Tick);
        furthest = furthest.max(run.now().utc);
        run.wait(30 * 3_600_000);
        // Sums count for what they say; nothing here is further back than a month.
        for round in &config.rounds {
            let of = |draft: &&Draft| draft.source.id == round.id;
            let sums = run.drafts.iter().filter(of).filter_map(|draft| {
                let count = draft.detail.as_ref()?.get("count")?.as_u64()?;
                Some(usize::try_from(count).unwrap())
            });
            let before = |due: &str| {
                serde_json::from_str::<UtcMs>(&format!("\"{due}\"")).unwrap() <= furthest
            };
            let ends = run.ends();
            let ended = ends.iter().filter(|(id, due, _)| *id == round.id.as_str() && before(due));
            let told = ended.count() + sums.sum::<usize>();
            let due = windows(round, began, furthest, &config.access.time_zone);
            prop_assert!(told >= due, "of {}: {told} told, {due} due", &round.id);
        }
    }

    #[test]
    fn a_restart_at_any_step_is_none_for_the_rounds(
        config in config(), script in script(false), cut in 0..60_usize,
    ) {
        let (mut whole, mut cut_one) = (Run::new(&config), Run::new(&config));
        for (step, (wait, op)) in script.into_iter().enumerate() {
            whole.wait(wait);
            cut_one.wait(wait);
            if step == cut {
                cut_one.restart(&config);
            }
            whole.act(op);
            cut_one.act(op);
        }
        let told = |run: &Run| -> Vec<_> {
            let all = run.drafts.iter().filter(|draft| draft.source.kind == "round");
            all.map(|draft| (draft.kind.to_string(), draft.time.mono_ns, draft.detail.clone())).collect()
        };
        prop_assert_eq!(told(&whole), told(&cut_one));
    }
}
