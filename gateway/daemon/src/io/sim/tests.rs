//! The simulated chip against a world that the test plays, and against scripts.

use std::fs;

use embedded_hal::digital::PinState::{High, Low};
use gatehouse_core::time::Mono;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixListener;

use super::*;

/// `CLOCK_MONOTONIC` as far as tokio's paused time has come.
#[derive(Clone)]
struct Paused(Instant);

impl LineClock for Paused {
    fn monotonic_ns(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_nanos()).unwrap()
    }

    fn boot(&self, monotonic_ns: u64) -> Mono {
        Mono(monotonic_ns)
    }
}

const RECHECK: Duration = Duration::from_secs(60);

struct World {
    listener: UnixListener,
    dir: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { listener: UnixListener::bind(dir.path().join("world")).unwrap(), dir }
    }

    fn sim(&self, lines: &[u32]) -> Sim<Paused> {
        let origin = Origin::Socket(self.dir.path().join("world"));
        Sim::new(origin, lines, RECHECK, Paused(Instant::now())).unwrap()
    }

    /// Accepts the box and says this.
    async fn greet(&self, text: &str) -> BufReader<UnixStream> {
        let (mut stream, _) = self.listener.accept().await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        BufReader::new(stream)
    }
}

async fn read(sim: &mut Sim<Paused>) -> Vec<Signal> {
    let mut signals = Vec::new();
    sim.read(&mut signals).await;
    signals
}

fn level(line: usize, level: PinState) -> Signal {
    Signal::Level { line, level }
}

fn edge(line: usize, level: PinState, at_ns: u64, number: u32, lost_before: u32) -> Signal {
    let line_seqno = Some(number).filter(|&number| number > 0);
    Signal::Edge { line, edge: Edge { level, at_ns, line_seqno, lost_before } }
}

fn cause(signals: &[Signal]) -> &str {
    match signals {
        [Signal::Down { cause }] => cause.lines().next().unwrap().rsplit(": ").next().unwrap(),
        other => panic!("not just down: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_world_tells_its_levels_and_then_its_edges() {
    let world = World::new();
    let mut sim = world.sim(&[3, 5]);
    let greeting = "level 3 0 1\nlevel 4 1 1\nlevel 5 1 1\nready\n";
    let (signals, mut peer) = tokio::join!(read(&mut sim), world.greet(greeting));
    assert_eq!(signals, [level(0, Low), level(1, High), Signal::Up]);
    peer.write_all(b"edge 5 0 17 1\nedge 4 0 18 1\nedge 3 1 18 1\nedge 5 1 ").await.unwrap();
    assert_eq!(read(&mut sim).await, [edge(1, Low, 17, 1, 0), edge(0, High, 18, 1, 0)]);
    peer.write_all(b"19 2\n").await.unwrap();
    assert_eq!(read(&mut sim).await, [edge(1, High, 19, 2, 0)], "a line in two pieces is one");
}

#[tokio::test(start_paused = true)]
async fn missing_numbers_are_lost_edges_and_the_level_is_asked_for() {
    let world = World::new();
    let mut sim = world.sim(&[3]);
    let (_, mut peer) = tokio::join!(read(&mut sim), world.greet("level 3 0 1\nready\n"));
    peer.write_all(b"edge 3 1 20 4\n").await.unwrap();
    let lost = |count, why| Signal::Lost { line: Some(0), count, why };
    assert_eq!(read(&mut sim).await, [lost(3, "numbers are missing"), edge(0, High, 20, 4, 3)]);
    let mut question = String::new();
    peer.read_line(&mut question).await.unwrap();
    assert_eq!(question, "get 3\n");
    // The wire went low again, and that edge was lost as well.
    peer.write_all(b"level 3 0 25\n").await.unwrap();
    assert_eq!(
        read(&mut sim).await,
        [lost(1, "the line changed without an edge"), edge(0, Low, 25, 0, 1)]
    );
}

#[tokio::test(start_paused = true)]
async fn a_missed_edge_without_a_gap_is_found_by_the_slow_timer() {
    let world = World::new();
    let mut sim = world.sim(&[3, 4]);
    let greeting = "level 3 0 1\nlevel 4 0 1\nready\n";
    let (_, mut peer) = tokio::join!(read(&mut sim), world.greet(greeting));
    let started = Instant::now();
    let answer = async {
        let mut questions = String::new();
        peer.read_line(&mut questions).await.unwrap();
        peer.read_line(&mut questions).await.unwrap();
        assert_eq!(questions, "get 3\nget 4\n");
        assert_eq!(started.elapsed().as_secs(), RECHECK.as_secs());
        peer.write_all(b"level 3 0 30\nlevel 4 1 30\n").await.unwrap();
    };
    let (signals, ()) = tokio::join!(read(&mut sim), answer);
    let why = "the line changed without an edge";
    assert_eq!(signals, [Signal::Lost { line: Some(1), count: 1, why }, edge(1, High, 30, 0, 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_world_that_goes_is_down_and_back_with_the_levels_of_then() {
    let world = World::new();
    let mut sim = world.sim(&[3]);
    let (_, peer) = tokio::join!(read(&mut sim), world.greet("level 3 0 1\nready\n"));
    drop(peer);
    assert_eq!(cause(&read(&mut sim).await), "it closed the connection");
    let (signals, mut peer) = tokio::join!(read(&mut sim), world.greet("level 3 1 9\nready\n"));
    assert_eq!(signals, [level(0, High), Signal::Up]);
    peer.write_all(b"edge 3 0 17 1\n").await.unwrap();
    assert_eq!(read(&mut sim).await, [edge(0, Low, 17, 1, 0)], "numbers begin anew");
}

#[tokio::test(start_paused = true)]
async fn a_line_that_the_world_learns_of_later_is_told_then() {
    let world = World::new();
    let mut sim = world.sim(&[3]);
    let (signals, mut peer) = tokio::join!(read(&mut sim), world.greet("ready\n"));
    assert_eq!(signals, [Signal::Up], "no level is made up");
    peer.write_all(b"level 3 1 9\n").await.unwrap();
    assert_eq!(read(&mut sim).await, [level(0, High)]);
}

#[tokio::test(start_paused = true)]
async fn a_foreign_an_endless_and_a_silent_world_are_left() {
    let world = World::new();
    let mut sim = world.sim(&[3]);
    let endless = "x".repeat(MAX_LINE + 1);
    for (greeting, why) in [
        ("hello\n", "`chip <chip> <gone|back|dip>` and `held <bus> <clocks>`"),
        (endless.as_str(), "it sent a line of more than 128 bytes"),
        ("level 3 0 1\n", "it was not `ready` within 5 s"),
    ] {
        let (signals, _peer) = tokio::join!(read(&mut sim), world.greet(greeting));
        assert!(cause(&signals).ends_with(why), "{signals:?}");
    }
    let (signals, _peer) = tokio::join!(read(&mut sim), world.greet("level 3 0 1\nready\n"));
    assert_eq!(signals, [level(0, Low), Signal::Up]);
}

#[tokio::test(start_paused = true)]
async fn a_world_that_is_not_there_is_looked_for_ever_less_often() {
    let World { listener, dir } = World::new();
    drop(listener);
    let origin = Origin::Socket(dir.path().join("world"));
    let mut sim = Sim::new(origin, &[3], RECHECK, Paused(Instant::now())).unwrap();
    let mut waits = Vec::new();
    for _ in 0..8 {
        let before = Instant::now();
        assert_eq!(cause(&read(&mut sim).await), "Connection refused (os error 111)");
        waits.push(before.elapsed().as_millis());
    }
    assert_eq!(waits, [0, 50, 100, 200, 400, 800, 1600, 2000]);
}

#[tokio::test(start_paused = true)]
async fn a_script_plays_edges_losses_and_the_pulled_plug() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("script");
    let script =
        "0 3 1\n0 4 0\n100 3 0\n200 4 lost 2\n300 4 1\n400 gone\n450 3 1\n500 back\n600 3 0\n";
    fs::write(&path, script).unwrap();
    let start = Instant::now();
    let mut sim = Sim::new(Origin::Script(path), &[3, 4], RECHECK, Paused(start)).unwrap();
    assert_eq!(read(&mut sim).await, [level(0, High), level(1, Low), Signal::Up]);
    let ms = 1_000_000;
    assert_eq!(read(&mut sim).await, [edge(0, Low, 100 * ms, 1, 0)]);
    let lost = Signal::Lost { line: Some(1), count: 2, why: "numbers are missing" };
    assert_eq!(read(&mut sim).await, [lost, edge(1, High, 300 * ms, 3, 2)]);
    assert_eq!(cause(&read(&mut sim).await), "the script has unplugged the simulated chip");
    assert_eq!(read(&mut sim).await, [level(0, High), level(1, High), Signal::Up]);
    assert_eq!(read(&mut sim).await, [edge(0, Low, 600 * ms, 1, 0)]);
    assert_eq!(start.elapsed().as_millis(), 600);
    let quiet = tokio::time::timeout(RECHECK * 10, read(&mut sim)).await;
    assert!(quiet.is_err(), "after the last step nothing happens: {quiet:?}");
}
