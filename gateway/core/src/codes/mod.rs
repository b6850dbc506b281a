//! Our types of event in the field's two languages: Contact ID (SIA DC-05) and SIA DC-03.
//!
//! One table in data, `table.csv`; everything that speaks either language reads it. Both ways: a
//! code that is read becomes the type that has it.

use std::collections::HashMap;
use std::sync::LazyLock;

/// The table, as it is shipped.
pub const TABLE: &str = include_str!("table.csv");

/// How one type of event is told in the field's languages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// Our type.
    pub kind: &'static str,
    /// Contact ID with its qualifier, `1130`: 1 new or opening, 3 restore or closing, 6 status.
    pub cid: &'static str,
    /// SIA DC-03, `BA`.
    pub sia: &'static str,
    /// Whether its Contact ID becomes this type when it is read.
    pub back: bool,
}

static CODES: LazyLock<Codes> = LazyLock::new(Codes::read);

struct Codes {
    all: Vec<Code>,
    of_kind: HashMap<&'static str, usize>,
    of_cid: HashMap<&'static str, usize>,
}

impl Codes {
    fn read() -> Self {
        let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
        let rows = lines.filter_map(|line| {
            let mut fields = line.split(',');
            Some(Code {
                kind: fields.next()?,
                cid: fields.next()?,
                sia: fields.next()?,
                back: fields.next()? == "=",
            })
        });
        let all: Vec<Code> = rows.collect();
        let numbered = || all.iter().enumerate();
        let of_kind = numbered().map(|(n, code)| (code.kind, n)).collect();
        let of_cid =
            numbered().filter(|(_, code)| code.back).map(|(n, code)| (code.cid, n)).collect();
        Self { all, of_kind, of_cid }
    }
}

/// Every row of the table, in its order.
pub fn all() -> &'static [Code] {
    &CODES.all
}

/// The codes of a type of event; `None` for a type that is not ours.
pub fn of_kind(kind: &str) -> Option<&'static Code> {
    CODES.of_kind.get(kind).map(|n| &CODES.all[*n])
}

/// The type that a Contact ID with its qualifier means, as `3401`.
pub fn of_cid(cid: &str) -> Option<&'static Code> {
    CODES.of_cid.get(cid).map(|n| &CODES.all[*n])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_whole_and_every_type_is_there_once() {
        let rows = TABLE.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(all().len(), rows, "a row without four fields");
        assert_eq!(CODES.of_kind.len(), rows, "a type stands there twice");
        for Code { kind, cid, sia, .. } in all() {
            assert!(cid.len() == 4 && cid.bytes().all(|b| b.is_ascii_digit()), "{kind}: {cid}");
            assert!(matches!(cid.as_bytes()[0], b'1' | b'3' | b'6'), "{kind}: {cid}");
            assert!(sia.len() == 2 && sia.bytes().all(|b| b.is_ascii_uppercase()), "{kind}: {sia}");
        }
    }

    #[test]
    fn there_and_back_is_the_same_type_for_each_code() {
        for code in all() {
            let back = of_cid(code.cid).unwrap_or_else(|| panic!("nothing has {}", code.cid));
            assert_eq!(back.cid, code.cid);
            if code.back {
                assert_eq!(back.kind, code.kind, "two types want {}", code.cid);
            }
        }
    }

    #[test]
    fn a_restore_has_the_code_of_what_it_ends_and_its_qualifier() {
        for code in all() {
            let Some(began) = code.kind.strip_suffix("_restored") else { continue };
            let Some(began) = of_kind(began) else { continue };
            assert_eq!((&began.cid[1..], &code.cid[..1]), (&code.cid[1..], "3"), "{}", code.kind);
        }
    }

    #[test]
    fn arming_is_inverted_as_contact_id_has_it() {
        assert_eq!(of_cid("1401").unwrap().kind, "partition.disarmed");
        assert_eq!(of_cid("3401").unwrap().kind, "partition.armed");
        assert_eq!(
            (of_kind("fire.alarm").unwrap().cid, of_kind("fire.alarm").unwrap().sia),
            ("1110", "FA")
        );
    }
}
