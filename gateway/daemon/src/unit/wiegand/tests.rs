//! The whole unit against a world that the test plays. The edges have real stamps: how old they
//! are is part of what is tested.

use gatehouse_core::credential::PinContext;
use gatehouse_drivers::wiegand::{Bits, Card, Defect, Format};
use tokio::io::AsyncWriteExt;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::super::reader::Credential;
use super::*;
use crate::io::KernelClock;
use crate::io::sim::Origin;

const MS: u64 = 1_000_000;
const SITE: [u8; 32] = [9; 32];
const PATIENCE: Duration = Duration::from_secs(10);

struct Bench {
    listener: UnixListener,
    world: UnixStream,
    /// The numbers of the edges that each line had.
    numbers: [u32; 2],
    clock: KernelClock,
    reports: mpsc::Receiver<ReaderReport>,
    unit: JoinHandle<Result<Infallible, WiegandError>>,
    _dir: tempfile::TempDir,
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.unit.abort();
    }
}

async fn greeted(listener: &UnixListener) -> UnixStream {
    let (mut world, _) = timeout(PATIENCE, listener.accept()).await.unwrap().unwrap();
    world.write_all(b"level 3 1 0\nlevel 4 1 0\nready\n").await.unwrap();
    world
}

impl Bench {
    /// A reader on lines 3 and 4, known to be there.
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("world");
        let listener = UnixListener::bind(&path).unwrap();
        let clock = KernelClock::new();
        let (out, reports) = mpsc::channel(16);
        let config = WiegandReader {
            id: "gate".parse().unwrap(),
            chip: LineSource::Sim(Origin::Socket(path)),
            d0: 3,
            d1: 4,
            bias: Bias::PullUp,
            pulse: PinState::Low,
            pin_place: "site".parse().unwrap(),
            key: Arc::new(SiteKey::new(SITE)),
        };
        #[expect(clippy::disallowed_methods, reason = "a test has no supervisor")]
        let unit = tokio::spawn(run(config, clock.clone(), out));
        let world = greeted(&listener).await;
        let mut bench = Self { listener, world, numbers: [0; 2], clock, reports, unit, _dir: dir };
        assert_eq!(bench.news().await, ReaderNews::Up { secure: false, identity: None });
        bench
    }

    async fn report(&mut self) -> ReaderReport {
        timeout(PATIENCE, self.reports.recv()).await.expect("nothing is told").unwrap()
    }

    async fn news(&mut self) -> ReaderNews {
        self.report().await.news
    }

    /// Sends bits whose last came `ago`, one each millisecond. `lose` edges of D1 are lost first.
    async fn send(&mut self, bits: &Bits, ago: Duration, lose: u32) -> u64 {
        use std::fmt::Write;
        let end_ns = self.clock.monotonic_ns() - u64::try_from(ago.as_nanos()).unwrap();
        let first_ns = end_ns - u64::from(bits.len()) * MS;
        self.numbers[1] += lose;
        let mut text = String::new();
        for n in 0..bits.len() {
            let one = bits.value() >> (bits.len() - 1 - n) & 1 == 1;
            let at_ns = first_ns + u64::from(n) * MS;
            for (level, at_ns) in [(0, at_ns), (1, at_ns + MS / 20)] {
                let line = usize::from(one);
                self.numbers[line] += 1;
                let number = self.numbers[line];
                writeln!(text, "edge {} {level} {at_ns} {number}", line + 3).unwrap();
            }
        }
        self.world.write_all(text.as_bytes()).await.unwrap();
        first_ns
    }
}

fn now() -> Duration {
    Duration::ZERO
}

fn fob() -> (Bits, Credential) {
    let bits = Card::new(Format::H10302, 0, 12_345_678).unwrap().encode();
    let mut buffer = [0; 16];
    let card = SiteKey::new(SITE).card(37, bits.write_bytes(&mut buffer));
    (bits, Credential::Card { card, bits: 37 })
}

#[tokio::test]
async fn a_card_is_told_as_its_hash_with_the_time_of_its_first_pulse() {
    let mut bench = Bench::new().await;
    let (bits, credential) = fob();
    let first_ns = bench.send(&bits, now(), 0).await;
    let report = bench.report().await;
    assert_eq!(report.news, ReaderNews::Presented(credential));
    assert_eq!(report.at, bench.clock.boot(first_ns));
    assert_eq!(report.reader.as_str(), "gate");
}

#[tokio::test]
async fn a_card_that_waited_in_the_kernel_is_late() {
    let mut bench = Bench::new().await;
    let (bits, credential) = fob();
    let first_ns = bench.send(&bits, FRESH, 0).await;
    let not_before = Some(bench.clock.boot(first_ns));
    assert_eq!(bench.news().await, ReaderNews::Late { credential, not_before });
}

#[tokio::test]
async fn lost_edges_wrong_parities_and_unknown_lengths_are_counted() {
    let mut bench = Bench::new().await;
    let (bits, credential) = fob();
    let broken = Bits::new(bits.value() ^ 1 << 20, bits.len());
    let short = Bits::new(0x15, 5);
    let mut causes = Vec::new();
    for (n, (bits, lose)) in [(&bits, 2), (&broken, 0), (&short, 0)].into_iter().enumerate() {
        bench.send(bits, Duration::from_millis(40), lose).await;
        let news = bench.news().await;
        let ReaderNews::Unreadable { cause, count } = news else { panic!("{news:?}") };
        assert_eq!(count, n as u64 + 1);
        causes.push(cause);
    }
    assert_eq!(causes[0], Unreadable::Pulses(Defect::EdgesLost));
    assert!(matches!(causes[1..], [Unreadable::Bits(_), Unreadable::Bits(_)]), "{causes:?}");
    bench.send(&bits, now(), 0).await;
    assert_eq!(bench.news().await, ReaderNews::Presented(credential));
}

#[tokio::test]
async fn keys_of_both_kinds_up_to_the_hash_are_a_pin() {
    let mut bench = Bench::new().await;
    let keys = [Key::Digit(4), Key::Digit(2)].map(Key::encode4);
    for (n, bits) in [&keys[0], &keys[1], &Key::Hash.encode8()].into_iter().enumerate() {
        // Each its own burst: more than 30 ms apart.
        bench.send(bits, Duration::from_millis(200 - 50 * n as u64), 0).await;
    }
    let place: Id = "site".parse().unwrap();
    let alone = SiteKey::new(SITE).pin(PinContext::Place(&place), &[4, 2]);
    let pin = Credential::Pin { alone, after: None };
    assert_eq!(bench.news().await, ReaderNews::Presented(pin));
}

#[tokio::test]
async fn a_chip_that_is_gone_is_told_once_and_half_a_card_of_before_is_void() {
    let mut bench = Bench::new().await;
    let (bits, credential) = fob();
    let half = Bits::new(bits.value() >> 17, 20);
    bench.send(&half, now(), 0).await;
    bench.world.shutdown().await.unwrap();
    let mut news = bench.news().await;
    // On a slow machine its silence was over before the chip went.
    if matches!(news, ReaderNews::Unreadable { .. }) {
        news = bench.news().await;
    }
    assert!(matches!(news, ReaderNews::Down(DownCause::Lines(_))), "{news:?}");
    bench.world = greeted(&bench.listener).await;
    bench.numbers = [0; 2];
    assert_eq!(bench.news().await, ReaderNews::Up { secure: false, identity: None });
    bench.send(&bits, now(), 0).await;
    assert_eq!(bench.news().await, ReaderNews::Presented(credential));
}

#[tokio::test]
async fn two_wires_on_one_line_are_refused() {
    let config = WiegandReader {
        id: "gate".parse().unwrap(),
        chip: LineSource::Sim(Origin::Socket("none".into())),
        d0: 3,
        d1: 3,
        bias: Bias::PullUp,
        pulse: PinState::Low,
        pin_place: "site".parse().unwrap(),
        key: Arc::new(SiteKey::new(SITE)),
    };
    let (out, _reports) = mpsc::channel(1);
    let ended = run(config, KernelClock::new(), out).await;
    assert!(matches!(ended, Err(WiegandError::OneLine(_))));
}
