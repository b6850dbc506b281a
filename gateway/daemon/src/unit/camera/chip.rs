//! A camera that is a chip: the thread of its bus takes the pictures, here they become frames.

use gatehouse_camera::health::{Loss, Seen};
use gatehouse_camera::source::{Jpegs, Sink};

use crate::lenses::{Lens, Shot};

/// Gives what the lens shows, for ever.
pub(super) async fn run(lens: Lens, sink: &mut dyn Sink) -> ! {
    let mut jpegs = Jpegs::default();
    loop {
        match lens.next().await {
            Shot::Picture { jpeg, at } => match jpegs.frame(jpeg, at) {
                Some(frame) => {
                    sink.seen(at, Seen::picture(&frame));
                    sink.frame(frame);
                }
                None => sink.seen(at, Seen::Undecodable),
            },
            Shot::Broken(at) => sink.seen(at, Seen::Undecodable),
            Shot::Lost(at) => {
                jpegs.end();
                sink.seen(at, Seen::Lost(Loss::Unreachable));
            }
        }
    }
}
