//! Lists of values, each of one kind.

use serde_json::{Value, json};
use toml::de::DeValue;

use crate::kind::{Kind, Wrong};

/// A list without doubles. [`Reader::list`](crate::reader::Reader::list) reads it, and points at
/// each value that is wrong.
pub(crate) struct List<K> {
    /// What each value may be.
    pub(crate) of: K,
    pub(crate) min: usize,
    pub(crate) max: usize,
    /// What it is, as "a list of one or more of"; what each may be follows.
    pub(crate) what: &'static str,
}

impl<K> List<K> {
    /// Whether so many values are allowed.
    pub(crate) fn takes(&self, count: usize) -> bool {
        (self.min..=self.max).contains(&count)
    }
}

impl<K: Kind> Kind for List<K> {
    type Out = Vec<K::Out>;

    fn allowed(&self) -> String {
        format!("{} {}", self.what, self.of.allowed())
    }

    fn schema(&self) -> Value {
        json!({
            "type": "array",
            "items": self.of.schema(),
            "minItems": self.min,
            "maxItems": self.max,
            "uniqueItems": true,
        })
    }

    fn read(&self, name: &str, value: &DeValue<'_>) -> Result<Self::Out, Wrong> {
        let Some(list) = value.as_array() else {
            // One value, which is good or would be with a change of its own: put it in brackets.
            let alone = self.of.read(name, value).is_ok();
            let text = value.as_str().filter(|_| alone);
            return Err(text.map_or_else(Wrong::default, |text| {
                Wrong::hint(format!("write {name} = [\"{text}\"]"))
            }));
        };
        if !self.takes(list.len()) {
            return Err(Wrong::default());
        }
        list.iter().map(|value| self.of.read(name, value.get_ref())).collect()
    }

    fn words(&self) -> Vec<(&'static str, &'static str)> {
        self.of.words()
    }
}
