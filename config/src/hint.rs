//! Did you mean …?

/// The word among `known` that was most likely meant by `given`.
///
/// Case, `_` for `-`, and a missing unit (`debounce` for `debounce-ms`) are forgiven first; then
/// one slip of the finger per three letters.
pub(crate) fn nearest<'a>(given: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // Longer than any key or word of ours: not a slip, and the distance below is quadratic.
    if given.len() > 64 {
        return None;
    }
    let plain = given.trim().to_lowercase().replace(['_', ' '], "-");
    let mut best = None;
    for word in known {
        let slips = if word == plain {
            0
        } else if word.strip_prefix(&plain).is_some_and(|rest| rest.starts_with('-')) {
            1
        } else {
            let slips = distance(&plain, word);
            if slips > word.chars().count().max(3) / 3 {
                continue;
            }
            slips
        };
        if best.is_none_or(|(fewest, _)| slips < fewest) {
            best = Some((slips, word));
        }
    }
    best.map(|(_, word)| word)
}

/// How many letters must be put in, left out, replaced or swapped with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut next = vec![i];
        for j in 1..=b.len() {
            let replaced = row[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replaced.min(row[j] + 1).min(next[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(before[j - 2] + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut row, next);
    }
    row[b.len()]
}

/// `given` with the characters an id may have, if anything of it is left.
pub(crate) fn as_id(given: &str) -> Option<String> {
    let mut id = String::new();
    for c in given.chars().flat_map(char::to_lowercase) {
        match c {
            'a'..='z' | '0'..='9' => id.push(c),
            _ if id.is_empty() || id.ends_with('-') => {}
            _ => id.push('-'),
        }
    }
    id.truncate(gatehouse_core::id::MAX_ID_LEN);
    let id = id.trim_end_matches('-').to_owned();
    (!id.is_empty()).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_an_underscore_and_a_missing_unit_are_understood_and_nonsense_is_not() {
        let known = ["debounce-ms", "held-open-s", "id", "input"];
        let meant = |given| nearest(given, known.into_iter());
        assert_eq!(meant("debonce-ms"), Some("debounce-ms"));
        assert_eq!(meant("held_open_s"), Some("held-open-s"));
        assert_eq!(meant("Debounce"), Some("debounce-ms"));
        assert_eq!(meant("inptu"), Some("input"));
        assert_eq!(meant("colour"), None);
        assert_eq!(meant(""), None);
        assert_eq!(meant(&"d".repeat(100_000)), None);
    }

    #[test]
    fn an_id_is_made_of_what_is_usable() {
        assert_eq!(as_id("Lobby main").as_deref(), Some("lobby-main"));
        assert_eq!(as_id("__7F_3a__").as_deref(), Some("7f-3a"));
        assert_eq!(as_id("大门"), None);
        assert_eq!(as_id(&"ab-".repeat(40)).map(|id| id.len()), Some(32));
    }
}
