//! `gatehouse doctor`.

use std::fmt::Write as _;
use std::process::ExitCode;

use super::output::Paint;
use super::{ConfigArg, load, output};
use crate::doctor::{Section, Verdict, examine, worst};

#[derive(Clone, Debug, clap::Args)]
pub(super) struct DoctorArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// One JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

pub(super) fn doctor(args: &DoctorArgs) -> ExitCode {
    let config = match load(&args.config) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let sections = match runtime {
        Ok(runtime) => runtime.block_on(examine(&config)),
        Err(error) => {
            output::eprint(&format!("error: {error}\n"));
            return ExitCode::from(super::EX_SOFTWARE);
        }
    };
    let worst = worst(&sections);
    if args.json {
        let told = serde_json::json!({ "verdict": worst, "sections": sections });
        output::print(&format!("{told}\n"));
    } else {
        let paint = Paint(output::coloured(args.config.color, &std::io::stdout()));
        output::print(&table(&sections, worst, paint));
    }
    if worst == Verdict::Wrong { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn table(sections: &[Section], worst: Verdict, paint: Paint) -> String {
    let mut text = String::new();
    let findings = || sections.iter().flat_map(|section| &section.findings);
    let width = findings().map(|finding| finding.of.chars().count()).max().unwrap_or(0).min(36);
    for section in sections {
        let _ = writeln!(text, "{}", paint.bold(section.title));
        for finding in &section.findings {
            let word = match finding.verdict {
                Verdict::Good => paint.good("good  "),
                Verdict::Advice => paint.warn("advice"),
                Verdict::Wrong => paint.bad("wrong "),
            };
            let _ = writeln!(text, "  {word} {:<width$}  {}", finding.of, finding.found);
            if let Some(advice) = &finding.advice {
                let _ = writeln!(text, "         {} {advice}", paint.bold("do:"));
            }
        }
    }
    let count = |verdict| findings().filter(|finding| finding.verdict == verdict).count();
    let (wrong, advice) = (count(Verdict::Wrong), count(Verdict::Advice));
    let end = match worst {
        Verdict::Good => paint.good("nothing is wrong"),
        Verdict::Advice => paint.warn(&format!("nothing is wrong; {advice} to see to")),
        Verdict::Wrong => paint.bad(&format!("{wrong} wrong, {advice} to see to")),
    };
    let _ = writeln!(text, "{end}");
    text
}
