//! Classes of events as people write them: on the command line and in files.

use std::collections::BTreeSet;
use std::ops::Range;

use gatehouse_core::event::Class;
use toml::Spanned;

/// All of them, in a line.
pub(crate) fn words() -> String {
    Class::ALL.map(Class::as_str).join(", ")
}

/// Those of a file's list; what is none is told with what is allowed.
pub(crate) fn listed(
    all: &[Spanned<String>],
    mut mistake: impl FnMut(&Range<usize>, String),
) -> BTreeSet<Class> {
    let of = |word: &Spanned<String>| {
        let found = Class::from_word(word.get_ref());
        if found.is_none() {
            let what = format!("class {:?}; allowed are {}", word.get_ref(), words());
            mistake(&word.span(), what);
        }
        found
    };
    all.iter().filter_map(of).collect()
}
