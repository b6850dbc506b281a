//! Prometheus' text format 0.0.4, written: what `/metrics` answers.
//!
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>

use std::fmt::{Display, Write as _};

/// An answer that grows: a family's lines of help and type, then its samples.
#[derive(Debug, Default)]
pub struct Page(String);

impl Page {
    /// Begins a family of this kind: `gauge`, `counter` or `histogram`.
    pub fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// One sample of the family that was begun. No text of a label can end its line.
    pub fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(name);
        for (place, (key, text)) in labels.iter().enumerate() {
            let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let before = if place == 0 { '{' } else { ',' };
            let _ = write!(self.0, "{before}{key}=\"{text}\"");
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.0, "{end} {value}");
    }

    /// A family of one gauge.
    pub fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "gauge", help);
        self.sample(name, &[], value);
    }

    /// A family of one gauge, and nothing at all where nobody knows.
    pub fn known(&mut self, name: &str, help: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.gauge(name, help, value);
        }
    }

    /// A family of one counter.
    pub fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "counter", help);
        self.sample(name, &[], value);
    }

    /// A gauge for each of these by one label, and no family without a sample.
    pub fn each<V: Display>(
        &mut self,
        (name, label): (&str, &str),
        help: &str,
        all: impl IntoIterator<Item = (String, Option<V>)>,
    ) {
        let mut begun = false;
        for (of, value) in all {
            let Some(value) = value else { continue };
            if !std::mem::replace(&mut begun, true) {
                self.family(name, "gauge", help);
            }
            self.sample(name, &[(label, &of)], value);
        }
    }

    /// The answer's text.
    pub fn into_text(self) -> String {
        self.0
    }
}

/// A whole number of parts, `unit` of which are 1, as a decimal number without the rounding of a float.
pub fn decimal(parts: i128, unit: u64) -> String {
    let sign = if parts < 0 { "-" } else { "" };
    let (whole, rest) =
        (parts.unsigned_abs() / u128::from(unit), parts.unsigned_abs() % u128::from(unit));
    if rest == 0 {
        return format!("{sign}{whole}");
    }
    let digits = unit.ilog10() as usize;
    format!("{sign}{whole}.{rest:0digits$}").trim_end_matches('0').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_written_without_rounding() {
        const MICROS: u64 = 1_000_000;
        assert_eq!(decimal(500, MICROS), "0.0005");
        assert_eq!(decimal(12_000, 1000), "12");
        assert_eq!(decimal(12_000_000, MICROS), "12");
        assert_eq!(decimal(999_875, MICROS), "0.999875");
        assert_eq!(decimal(999_999, MICROS), "0.999999");
        assert_eq!(decimal(7, 1), "7");
        assert_eq!(decimal(1_050, 1000), "1.05");
        assert_eq!(decimal(-50, 1000), "-0.05");
        assert_eq!(decimal(-2150, 100), "-21.5");
    }

    #[test]
    fn a_label_cannot_end_its_line() {
        let mut page = Page::default();
        page.sample("m", &[("host", "a\"b\\c\nd")], 1);
        assert_eq!(page.into_text(), "m{host=\"a\\\"b\\\\c\\nd\"} 1\n");
    }
}
