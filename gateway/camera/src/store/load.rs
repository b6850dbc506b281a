//! How much evidence is written, as far as the files that are there tell: nothing is counted on the flash.
//!
//! The oldest of a class goes first, so of the time since its oldest file everything is there, and what was
//! written in that time is known after any restart. A full disk takes files of one class before another's,
//! each by its age as well.

use std::time::Duration;

use gatehouse_core::time::UtcMs;

use super::plan::Item;

/// So far back it is looked: a week has its quiet days and its loud ones.
const BACK: Duration = Duration::from_secs(7 * 86_400);

/// A box that is younger has as much behind it as if it were so old: an hour says nothing of a day.
const LEAST: Duration = Duration::from_secs(86_400);

/// What lies beside each file for a moment: its note, of one block, and the block of the folder for each
/// of both.
const BESIDE: u64 = 3 * 4096;

const DAY_MS: i64 = 86_400_000;

/// What of a class is there, and how much of it was written lately.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Files that are there.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes that were written in a day, with what belongs to each file; over a week, or as far back as
    /// there are files.
    pub a_day: u64,
}

impl Load {
    /// Of the files of a class.
    pub fn of<'i>(items: impl Iterator<Item = &'i Item> + Clone, now: UtcMs) -> Self {
        let bytes = items.clone().map(|item| item.bytes).sum();
        let files = items.clone().count() as u64;
        let Some(oldest) = items.clone().map(|item| item.written.0).min() else {
            return Self::default();
        };
        let ms = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        let (back, least) = (ms(BACK), ms(LEAST));
        let span = now.0.saturating_sub(oldest).clamp(least, back);
        // What has a date of tomorrow was written as well.
        let lately = items.filter(|item| item.written.0 >= now.0.saturating_sub(span));
        let written: u64 = lately.map(|item| item.bytes + BESIDE).sum();
        let a_day = u128::from(written) * u128::from(DAY_MS.unsigned_abs())
            / u128::from(span.unsigned_abs());
        Self { files, bytes, a_day: u64::try_from(a_day).unwrap_or(u64::MAX) }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    const MIB: u64 = 1 << 20;

    fn item(hours_ago: i64, bytes: u64) -> Item {
        let path = PathBuf::from(format!("clips/{hours_ago}"));
        Item { written: UtcMs((10_000 - hours_ago) * 3_600_000), path, bytes, class: 0 }
    }

    fn a_day(items: &[Item]) -> u64 {
        Load::of(items.iter(), UtcMs(10_000 * 3_600_000)).a_day
    }

    #[test]
    fn a_day_is_the_mean_of_a_week_or_of_what_there_is() {
        let week: Vec<_> = (0..30 * 24).step_by(12).map(|hours| item(hours, MIB)).collect();
        let each = MIB + BESIDE;
        // Two a day; the one of a week ago counts as well.
        assert_eq!(a_day(&week), each * 15 / 7);
        // Full after two days: of the time before nobody knows.
        assert_eq!(a_day(&week[..5]), each * 5 / 2);
        // A box of this hour has one a day, not 24.
        assert_eq!(a_day(&[item(1, MIB)]), each);
        assert_eq!(a_day(&[item(-30, MIB)]), each, "its clock was ahead");
        assert_eq!(a_day(&[item(9 * 24, MIB)]), 0, "nothing lately");
        assert_eq!(a_day(&[]), 0);
        let load = Load::of(week.iter(), UtcMs(10_000 * 3_600_000));
        assert_eq!((load.files, load.bytes), (60, 60 * MIB));
    }
}
