//! Is the camera there, and does it show what it should?
//!
//! Sources and decoders say what they [`Seen`]; a [`Ladder`] per camera makes states of it and
//! reports changes once they have lasted. All of it is a pure function of what was seen and when.

mod ladder;
mod measure;
mod seen;

pub use ladder::{HealthSettings, Ladder, Report, State};
pub use measure::{Counters, Shortfall};
pub use seen::{Cause, Loss, Seen};
