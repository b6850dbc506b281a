//! Which piece goes next: those of alarms first, then the oldest.

use super::notes::Note;

/// The next of these, if there is one. Asked again behind each part, so that an alarm's pictures do not wait
/// for the clip of somebody who walked by.
pub(super) fn next<'a>(notes: impl Iterator<Item = &'a Note>) -> Option<&'a Note> {
    notes.min_by_key(|note| (!note.alarm, note.seq, &note.file))
}

#[cfg(test)]
mod tests {
    use super::super::notes::tests::note;
    use super::*;

    #[test]
    fn what_is_of_an_alarm_goes_before_what_is_older() {
        let old = note("gate-1.mp4", 2);
        let alarm = |file: &str, seq| Note { alarm: true, ..note(file, seq) };
        let (picture, clip) = (alarm("gate-8.jpg", 9), alarm("gate-8.mp4", 12));
        let newest = note("gate-20.jpg", 21);
        let mut left = vec![&newest, &clip, &old, &picture];
        let mut went = Vec::new();
        while let Some(next) = next(left.iter().copied()) {
            went.push(next.file.clone());
            left.retain(|note| *note != next);
        }
        assert_eq!(went, ["gate-8.jpg", "gate-8.mp4", "gate-1.mp4", "gate-20.jpg"]);
    }
}
