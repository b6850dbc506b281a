//! A camera that lies: no panic, no false health, no memory without bound.

mod harness;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use gatehouse_camera::health::{Cause, HealthSettings, Ladder, Loss, Seen, State};
use gatehouse_camera::source::rtsp::RtspSettings;
use gatehouse_core::backoff::Backoff;
use gatehouse_core::time::Mono;
use harness::hostile::{Hostile, Lie};
use harness::{Taken, boottime};

/// Panics anywhere in this program, even if caught, but for one place that is known and caught: the
/// parser of SDP has assertions on what cameras send.
static PANICS: AtomicUsize = AtomicUsize::new(0);

fn count_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !info.location().is_some_and(|place| place.file().contains("/sdp-types-")) {
                PANICS.fetch_add(1, Ordering::Relaxed);
                usual(info);
            }
        }));
    });
}

fn settings(hostile: &Hostile) -> RtspSettings {
    let limit = Duration::from_millis(300);
    RtspSettings {
        answer: limit,
        begin: limit,
        stall: limit,
        teardown: limit,
        retry: Backoff::new(Duration::ZERO, Duration::from_millis(5), Duration::from_millis(20)),
        ..RtspSettings::new("cam", hostile.address())
    }
}

/// Takes from a hostile camera until it was left so often, and gives what was seen.
async fn endure(lie: Lie, connections: u64) -> anyhow::Result<Vec<(Mono, Seen)>> {
    count_panics();
    let hostile = Hostile::start(lie, 1).await?;
    let mut taken = Taken::start_as(settings(&hostile));
    let served = tokio::time::timeout(Duration::from_secs(120), hostile.until_served(connections));
    assert!(served.await.is_ok(), "{lie:?}: {} connections", hostile.served());
    taken.loss(usize::try_from(connections - 1)?).await?;
    assert_eq!(PANICS.load(Ordering::Relaxed), 0, "{lie:?}: a panic");
    Ok(taken.read(|log| log.seen.clone()))
}

fn pictures(seen: &[(Mono, Seen)]) -> usize {
    seen.iter().filter(|(_, seen)| matches!(seen, Seen::Picture { .. })).count()
}

/// What the ladder makes of it, if the camera goes on so.
fn ladder(seen: &[(Mono, Seen)]) -> Option<State> {
    let start = seen.first().map_or(boottime(), |&(at, _)| at);
    let mut ladder = Ladder::new(HealthSettings::default(), start);
    for &(at, seen) in seen {
        ladder.seen(at, seen);
    }
    ladder.tick(boottime().plus(Duration::from_secs(10)));
    ladder.told()
}

#[tokio::test]
async fn the_server_of_this_suite_is_understood_when_it_does_not_lie() -> anyhow::Result<()> {
    let seen = endure(Lie::None, 3).await?;
    assert!(pictures(&seen) >= 55, "{}", pictures(&seen));
    let ends = seen.iter().filter(|(_, s)| *s == Seen::Lost(Loss::Silent(Cause::Ended))).count();
    assert!(ends >= 2, "its farewell is an end");
    Ok(())
}

#[tokio::test]
async fn broken_descriptions() -> anyhow::Result<()> {
    let seen = endure(Lie::Description, 500).await?;
    assert!(matches!(ladder(&seen), Some(State::Silent(_) | State::Degraded(_))));
    Ok(())
}

#[tokio::test]
async fn broken_answers() -> anyhow::Result<()> {
    let seen = endure(Lie::Heads, 300).await?;
    assert!(matches!(ladder(&seen), Some(state) if state != State::Up));
    Ok(())
}

#[tokio::test]
async fn broken_packets() -> anyhow::Result<()> {
    let seen = endure(Lie::Packets, 500).await?;
    assert!(pictures(&seen) > 500, "the beginning of most is right");
    assert_ne!(ladder(&seen), Some(State::Up));
    Ok(())
}

#[tokio::test]
async fn noise_is_no_picture_and_a_silent_camera() -> anyhow::Result<()> {
    let seen = endure(Lie::Noise, 60).await?;
    assert_eq!(pictures(&seen), 0);
    assert!(matches!(ladder(&seen), Some(State::Silent(_))), "{:?}", ladder(&seen));
    Ok(())
}

#[tokio::test]
async fn a_picture_without_end_is_a_stall() -> anyhow::Result<()> {
    count_panics();
    let hostile = Hostile::start(Lie::Endless, 1).await?;
    let began = boottime();
    let mut taken = Taken::start_as(settings(&hostile));
    let (at, loss) = taken.loss(0).await?;
    assert_eq!(loss, Loss::Silent(Cause::Stalled), "a flood is no picture");
    assert!(at.since(began) < Duration::from_secs(3));
    let seen = taken.read(|log| log.seen.clone());
    assert_eq!(pictures(&seen), 0);
    assert!(matches!(ladder(&seen), Some(State::Silent(_))), "{:?}", ladder(&seen));
    Ok(())
}
