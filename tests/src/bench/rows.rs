//! The results: rows for machines, a table for people.

use std::path::Path;

use anyhow::Context;
use serde_json::json;

/// One measured figure.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    name: String,
    value: f64,
    unit: &'static str,
    goal: Option<Goal>,
    reference: Option<(f64, &'static str)>,
}

/// What a value should be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal {
    /// Not more than this.
    AtMost(f64),
    /// Not less than this.
    AtLeast(f64),
}

impl Row {
    /// A figure without a goal.
    pub(crate) fn new(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { name: name.into(), value, unit, goal: None, reference: None }
    }

    /// The goal, in the unit of the value.
    pub(crate) fn goal(self, goal: Goal) -> Self {
        Self { goal: Some(goal), ..self }
    }

    /// The limit or peer of the same run, in the unit of the value, and what it is.
    pub(crate) fn reference(self, value: f64, what: &'static str) -> Self {
        Self { reference: Some((value, what)), ..self }
    }

    fn met(&self) -> Option<bool> {
        Some(match self.goal? {
            Goal::AtMost(most) => self.value <= most,
            Goal::AtLeast(least) => self.value >= least,
        })
    }

    fn goal_value(&self) -> Option<f64> {
        self.goal.map(|(Goal::AtMost(value) | Goal::AtLeast(value))| value)
    }

    fn ratio(&self) -> Option<f64> {
        let (reference, _) = self.reference.filter(|(value, _)| *value > 0.0)?;
        Some(self.value / reference)
    }
}

/// All figures of a run.
#[derive(Debug, Default)]
pub(crate) struct Rows(Vec<Row>);

impl Rows {
    /// Adds a figure, and shows it at once: a run takes minutes.
    pub(crate) fn push(&mut self, row: Row) {
        say(&format!("{} = {} {}", row.name, short(row.value), row.unit));
        self.0.push(row);
    }

    /// Whether every goal is met.
    pub(crate) fn met(&self) -> bool {
        self.0.iter().all(|row| row.met() != Some(false))
    }

    /// The rows as JSON.
    pub(crate) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let rows = self.0.iter().map(|row| {
            json!({
                "name": row.name,
                "value": rounded(row.value),
                "unit": row.unit,
                "goal": row.goal_value().map(rounded),
                "reference": row.reference.map(|(value, _)| rounded(value)),
                "ratio": row.ratio().map(rounded),
            })
        });
        let lines: Vec<_> = rows.map(|row| row.to_string()).collect();
        let text = format!("[\n{}\n]\n", lines.join(",\n"));
        std::fs::write(path, text).with_context(|| format!("write {}", path.display()))
    }

    /// The table.
    #[expect(clippy::print_stdout, reason = "the table is what this program is for")]
    pub(crate) fn print(&self) {
        println!();
        println!(
            "{:<34} {:>10} {:<9} {:>11} {:<6} {:>10} {:>6}  reference is",
            "figure", "value", "unit", "goal", "", "reference", "ratio"
        );
        for row in &self.0 {
            let goal = match row.goal {
                None => String::new(),
                Some(Goal::AtMost(value)) => format!("<= {}", short(value)),
                Some(Goal::AtLeast(value)) => format!(">= {}", short(value)),
            };
            let verdict = match row.met() {
                None => "",
                Some(true) => "ok",
                Some(false) => "MISSED",
            };
            println!(
                "{:<34} {:>10} {:<9} {:>11} {:<6} {:>10} {:>6}  {}",
                row.name,
                short(row.value),
                row.unit,
                goal,
                verdict,
                row.reference.map(|(value, _)| short(value)).unwrap_or_default(),
                row.ratio().map(|ratio| format!("{ratio:.2}")).unwrap_or_default(),
                row.reference.map_or("", |(_, what)| what),
            );
        }
    }
}

/// Progress, on standard error.
pub(crate) fn say(text: &str) {
    eprintln!("gatehouse-bench: {text}");
}

fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 1000.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
