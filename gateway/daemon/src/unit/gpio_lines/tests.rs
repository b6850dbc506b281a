//! The whole unit against a world that the test plays, on tokio's paused time.

use std::path::PathBuf;

use embedded_hal::digital::PinState;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

use tokio::time::Instant;

use super::*;

/// Both clocks, as far as tokio's paused time has come; 1 s apart.
#[derive(Clone)]
struct Paused(Instant);

const APART_NS: u64 = 1_000_000_000;
const MS: u64 = 1_000_000;

impl LineClock for Paused {
    fn monotonic_ns(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_nanos()).unwrap()
    }

    fn boot(&self, monotonic_ns: u64) -> Mono {
        Mono(monotonic_ns + APART_NS)
    }
}

/// A world, the unit that watches it, and the end of the channel.
struct Bench {
    listener: UnixListener,
    clock: Paused,
    reports: mpsc::Receiver<UnitReport>,
    unit: JoinHandle<Result<Infallible, UnitError>>,
    _dir: tempfile::TempDir,
}

fn lines(offsets: impl IntoIterator<Item = u32>, debounce: Duration) -> Vec<LineConfig> {
    let contact = ContactConfig { debounce, ..ContactConfig::door(Wiring::NormallyClosed) };
    offsets.into_iter().map(|offset| LineConfig { offset, bias: Bias::PullUp, contact }).collect()
}

fn config(path: PathBuf, lines: Vec<LineConfig>) -> GpioLines {
    GpioLines { chip: LineSource::Sim(Origin::Socket(path)), lines, recheck: RECHECK }
}

#[expect(clippy::disallowed_methods, reason = "a test has no supervisor")]
fn spawn(
    config: GpioLines,
    clock: Paused,
    out: mpsc::Sender<UnitReport>,
) -> JoinHandle<Result<Infallible, UnitError>> {
    tokio::spawn(run(config, clock, out))
}

impl Bench {
    fn new(lines: Vec<LineConfig>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("world");
        let listener = UnixListener::bind(&path).unwrap();
        let clock = Paused(Instant::now());
        let (out, reports) = mpsc::channel(4);
        let unit = spawn(config(path, lines), clock.clone(), out);
        Self { listener, clock, reports, unit, _dir: dir }
    }

    async fn greet(&self, text: &str) -> BufReader<UnixStream> {
        let (mut stream, _) = self.listener.accept().await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        BufReader::new(stream)
    }

    async fn next(&mut self) -> UnitReport {
        self.reports.recv().await.unwrap()
    }

    /// The next report, which is a reading: line, state, monotonic milliseconds, resynced.
    async fn reading(&mut self) -> (String, ContactState, u64, bool) {
        match self.next().await {
            UnitReport::Reading(Reading { line, state, at, resynced }) => {
                (line, state, (at.0 - APART_NS) / MS, resynced)
            }
            other => panic!("not a reading: {other:?}"),
        }
    }

    /// The next report, which is a fault (`true`) or a restore, and whose.
    async fn fault(&mut self) -> (bool, String, String) {
        match self.next().await {
            UnitReport::Fault { what, cause, .. } => (true, what, cause),
            UnitReport::Restore { what, cause, .. } => (false, what, cause),
            reading @ UnitReport::Reading(_) => panic!("not a fault: {reading:?}"),
        }
    }

    fn now_ms(&self) -> u64 {
        self.clock.monotonic_ns() / MS
    }
}

fn told(
    line: &str,
    state: ContactState,
    at_ms: u64,
    resynced: bool,
) -> (String, ContactState, u64, bool) {
    (line.to_owned(), state, at_ms, resynced)
}

use ContactState::{Closed, Open, Unknown};

#[tokio::test(start_paused = true)]
async fn each_start_begins_unknown_and_the_first_stable_level_follows() {
    let mut bench = Bench::new(lines([3, 5], Duration::from_millis(50)));
    assert_eq!(bench.reading().await, told("sim:3", Unknown, 0, false));
    assert_eq!(bench.reading().await, told("sim:5", Unknown, 0, false));
    let _peer = bench.greet("level 3 0 1\nlevel 5 1 1\nready\n").await;
    assert_eq!(bench.reading().await, told("sim:3", Closed, 0, false));
    assert_eq!(bench.reading().await, told("sim:5", Open, 0, false));
    assert_eq!(bench.now_ms(), 50);
}

#[tokio::test(start_paused = true)]
async fn without_debounce_an_edge_is_a_reading_and_time_does_not_pass() {
    let mut bench = Bench::new(lines([3], Duration::ZERO));
    let mut peer = bench.greet("level 3 0 1\nready\n").await;
    assert_eq!(bench.reading().await, told("sim:3", Unknown, 0, false));
    assert_eq!(bench.reading().await, told("sim:3", Closed, 0, false));
    let started = bench.now_ms();
    // More than the channel holds: the unit waits, and drops none.
    for n in 1..=500_u64 {
        let edge = format!("edge 3 {} {} {n}\n", n % 2, n * MS);
        peer.write_all(edge.as_bytes()).await.unwrap();
    }
    for n in 1..=500 {
        let state = if n % 2 == 1 { Open } else { Closed };
        assert_eq!(bench.reading().await, told("sim:3", state, n, false));
    }
    assert_eq!(bench.now_ms(), started, "no timer between an edge and its reading");
}

#[tokio::test(start_paused = true)]
async fn edges_of_several_lines_are_told_in_the_order_in_which_they_happened() {
    let mut bench = Bench::new(lines([3, 5], Duration::ZERO));
    let mut peer = bench.greet("level 3 0 1\nlevel 5 0 1\nready\n").await;
    for _ in 0..4 {
        bench.reading().await;
    }
    let edges = b"edge 5 1 1000000 1\nedge 3 1 2000000 1\nedge 5 0 3000000 2\n";
    peer.write_all(edges).await.unwrap();
    assert_eq!(bench.reading().await, told("sim:5", Open, 1, false));
    assert_eq!(bench.reading().await, told("sim:3", Open, 2, false));
    assert_eq!(bench.reading().await, told("sim:5", Closed, 3, false));
}

#[tokio::test(start_paused = true)]
async fn signals_read_late_are_decided_by_their_own_length() {
    let mut bench = Bench::new(lines([3], gatehouse_drivers::ALARM_DEBOUNCE));
    let mut peer = bench.greet("level 3 0 1\nready\n").await;
    assert_eq!(bench.reading().await.1, Unknown);
    assert_eq!(bench.reading().await.1, Closed);
    tokio::time::advance(Duration::from_secs(60)).await;
    // 100 ms are too short, 400 ms are not; all of it is long over when it is read.
    let edges = b"edge 3 1 1000000000 1\nedge 3 0 1100000000 2\n\
                  edge 3 1 2000000000 3\nedge 3 0 2400000000 4\n";
    peer.write_all(edges).await.unwrap();
    assert_eq!(bench.reading().await, told("sim:3", Open, 2_000, false));
    assert_eq!(bench.reading().await, told("sim:3", Closed, 2_400, false));
}

#[tokio::test(start_paused = true)]
async fn lost_edges_are_a_fault_until_quiet_and_the_reading_is_marked() {
    let mut bench = Bench::new(lines([3], Duration::ZERO));
    let mut peer = bench.greet("level 3 0 1\nready\n").await;
    bench.reading().await;
    bench.reading().await;
    peer.write_all(b"edge 3 1 1000000 4\nedge 3 0 2000000 5\nedge 3 1 3000000 9\n").await.unwrap();
    let (fault, what, cause) = bench.fault().await;
    assert!(fault);
    assert_eq!(what, "sim:3");
    assert_eq!(cause, "edges were lost (numbers are missing); levels are read again");
    assert_eq!(bench.reading().await, told("sim:3", Open, 1, true));
    assert_eq!(bench.reading().await, told("sim:3", Closed, 2, false));
    assert_eq!(bench.reading().await, told("sim:3", Open, 3, true), "one fault for two losses");
    let mut question = String::new();
    peer.read_line(&mut question).await.unwrap();
    assert_eq!(question, "get 3\n");
    let lost_at = bench.now_ms();
    let (fault, what, cause) = bench.fault().await;
    assert!(!fault);
    assert_eq!((what.as_str(), bench.now_ms() - lost_at), ("sim:3", 10_000));
    assert_eq!(cause, "6 edges were lost, none in the last 10s");
}

#[tokio::test(start_paused = true)]
async fn a_change_while_the_chip_was_gone_is_seen_and_marked() {
    let mut bench = Bench::new(lines([3, 5], Duration::from_millis(50)));
    let peer = bench.greet("level 3 0 1\nlevel 5 0 1\nready\n").await;
    for _ in 0..4 {
        bench.reading().await;
    }
    drop(peer);
    let (fault, what, cause) = bench.fault().await;
    assert!(fault && what == "sim" && cause.contains("it closed the connection"), "{cause}");
    let gone_ms = bench.now_ms();
    assert_eq!(bench.reading().await, told("sim:3", Unknown, gone_ms, false));
    assert_eq!(bench.reading().await, told("sim:5", Unknown, gone_ms, false));
    let _peer = bench.greet("level 3 1 9\nlevel 5 0 9\nready\n").await;
    let (fault, what, cause) = bench.fault().await;
    assert!(
        !fault
            && what == "sim"
            && cause.starts_with("the chip is back; before: the simulated world at "),
        "{cause}"
    );
    let (line, state, _, resynced) = bench.reading().await;
    assert_eq!((line.as_str(), state, resynced), ("sim:3", Open, true));
    let (line, state, _, resynced) = bench.reading().await;
    assert_eq!((line.as_str(), state, resynced), ("sim:5", Closed, true));
}

#[tokio::test(start_paused = true)]
async fn a_level_that_was_still_to_settle_is_not_believed_once_the_chip_is_gone() {
    let mut bench = Bench::new(lines([3], Duration::from_secs(10)));
    assert_eq!(bench.reading().await.1, Unknown);
    let peer = bench.greet("level 3 0 1\nready\n").await;
    drop(peer);
    let (fault, ..) = bench.fault().await;
    assert!(fault);
    let quiet = tokio::time::timeout(Duration::from_secs(600), bench.next()).await;
    assert!(quiet.is_err(), "{quiet:?}");
}

#[tokio::test(start_paused = true)]
async fn a_world_that_was_never_there_is_one_fault_and_its_lines_stay_unknown() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Paused(Instant::now());
    let (out, mut reports) = mpsc::channel(4);
    let config = config(dir.path().join("world"), lines([3], Duration::ZERO));
    let _unit = spawn(config, clock, out);
    assert!(matches!(reports.recv().await, Some(UnitReport::Reading(r)) if r.state == Unknown));
    assert!(matches!(reports.recv().await, Some(UnitReport::Fault { .. })));
    let quiet = tokio::time::timeout(Duration::from_secs(600), reports.recv()).await;
    assert!(quiet.is_err(), "{quiet:?}");
    let listener = UnixListener::bind(dir.path().join("world")).unwrap();
    let (mut stream, _) = listener.accept().await.unwrap();
    stream.write_all(b"level 3 1 1\nready\n").await.unwrap();
    assert!(matches!(reports.recv().await, Some(UnitReport::Restore { .. })));
    assert!(matches!(reports.recv().await, Some(UnitReport::Reading(r)) if r.state == Open));
}

#[tokio::test(start_paused = true)]
async fn a_line_that_the_world_does_not_have_is_a_fault_of_that_line_alone() {
    let mut bench = Bench::new(lines([3, 9], Duration::ZERO));
    bench.reading().await;
    bench.reading().await;
    let mut peer = bench.greet("level 3 0 1\nready\n").await;
    assert_eq!(bench.reading().await, told("sim:3", Closed, 0, false));
    assert_eq!(bench.fault().await.1, "sim:9");
    peer.write_all(b"level 9 0 1\n").await.unwrap();
    let (fault, what, _) = bench.fault().await;
    assert!(!fault && what == "sim:9");
    let (line, state, ..) = bench.reading().await;
    assert_eq!((line.as_str(), state), ("sim:9", Closed));
}

#[tokio::test(start_paused = true)]
async fn the_unit_ends_when_nobody_listens() {
    let Bench { reports, unit, .. } = Bench::new(lines([3], Duration::ZERO));
    drop(reports);
    assert!(matches!(unit.await, Ok(Err(UnitError::Closed(chip))) if chip == "sim"));
}

#[tokio::test(start_paused = true)]
async fn a_configuration_that_cannot_be_carried_out_is_told() {
    let run_with = |lines| {
        let (out, _) = mpsc::channel(1);
        run(config("/nowhere".into(), lines), Paused(Instant::now()), out)
    };
    let error = run_with(lines([3, 4, 3], Duration::ZERO)).await.unwrap_err();
    assert_eq!(error.to_string(), "line 3 of sim is named twice");
    let error = run_with(lines(0..65, Duration::ZERO)).await.unwrap_err();
    assert_eq!(error.to_string(), "sim can watch 1 to 64 lines, not 65");
    let error = run_with(Vec::new()).await.unwrap_err();
    assert_eq!(error.to_string(), "sim can watch 1 to 64 lines, not 0");
}

#[tokio::test(start_paused = true)]
async fn a_pull_down_means_a_contact_to_the_supply() {
    // Made from a file: a door has more keys every year, and this is about two of them.
    let door = |contact: &str, bias: &str| {
        let text = format!(
            "[gateway]\nid = \"g\"\ndistrict = \"d\"\nsite = \"s\"\n[sim]\nsocket = \"/w\"\n\
             [[broker]]\nid = \"b\"\nhost = \"localhost\"\n[[door]]\nid = \"lobby\"\n\
             input = \"sim:7\"\ndebounce-ms = 20\ncontact = \"{contact}\"\nbias = \"{bias}\"\n"
        );
        gatehouse_config::Config::parse(&text, "test").unwrap().doors.remove(0)
    };
    let line = |door: &gatehouse_config::Door| LineConfig::door(door.input.line().unwrap(), door);
    let (pulled_down, line) =
        (line(&door("normally-open", "pull-down")), line(&door("normally-closed", "pull-up")));
    assert_eq!((line.offset, line.contact.closed_level), (7, PinState::Low));
    assert_eq!(line.contact.debounce, Duration::from_millis(20));
    assert_eq!(pulled_down.contact.closed_level, PinState::High);
    assert_eq!(pulled_down.contact.wiring, Wiring::NormallyOpen);
}
