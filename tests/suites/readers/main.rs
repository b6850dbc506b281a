//! The real bus unit on a pseudo terminal, against readers made with libosdp: an implementation of
//! the standard that is not ours.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test, wherever it stands")]

mod forged;
mod reader;
mod site;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gatehouse::io::KernelClock;
use gatehouse::io::serial::{Direction, SerialConfig};
use gatehouse::unit::reader::{
    Credential, Down, DownCause, Indication, Loss, ReaderNews, Unreadable,
};
use gatehouse::unit::rs485_bus::{self, BusReader, BusReport, Panel, Rs485Bus};
use gatehouse_core::credential::{PinContext, SiteKey};
use gatehouse_core::id::Id;
use gatehouse_drivers::osdp::{Key, Security};
use gatehouse_drivers::wiegand::{Card, Format};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use forged::with_crc;
use reader::{FarEnd, Make, Told};

const KEY: [u8; 16] = *b"sixteen letters!";
const OTHER: [u8; 16] = *b"another key, eh?";
const SITE: [u8; 32] = [7; 32];

/// Longer than anything here may take: the longest is a reader that is looked for every 5 s.
const PATIENCE: Duration = Duration::from_secs(15);

struct World {
    folder: tempfile::TempDir,
    near: Near,
    far: Option<FarEnd>,
}

struct Near {
    panel: Panel,
    reports: mpsc::Receiver<BusReport>,
    unit: JoinHandle<()>,
}

impl Drop for Near {
    fn drop(&mut self) {
        self.unit.abort();
    }
}

fn required() -> Security {
    Security::Required(Key::new(KEY).unwrap())
}

fn id(address: u8) -> Id {
    format!("reader-{address}").parse().unwrap()
}

fn near(path: PathBuf, readers: &[(u8, Security)]) -> Near {
    let reader = |(address, security): &(u8, Security)| BusReader {
        id: id(*address),
        address: *address,
        security: security.clone(),
        pin_place: "site".parse().unwrap(),
    };
    let bus = Rs485Bus {
        port: SerialConfig { path, baud: 115_200, direction: Direction::Adapter },
        readers: readers.iter().map(reader).collect(),
        key: Arc::new(SiteKey::new(SITE)),
    };
    let panel = Panel::new(&bus);
    let (out, reports) = mpsc::channel(64);
    let run = rs485_bus::run(bus, KernelClock::new(), panel.clone(), out);
    #[expect(clippy::disallowed_methods, reason = "the test is the supervisor")]
    let unit = tokio::spawn(async move {
        match run.await {
            Ok(never) => match never {},
            Err(error) => panic!("{error}"),
        }
    });
    Near { panel, reports, unit }
}

impl World {
    /// A bus with the readers of `makes`, as `readers` expects them.
    fn new(readers: &[(u8, Security)], makes: &[Make]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("bus");
        let far = FarEnd::new(&link);
        for make in makes {
            far.plug(make);
        }
        let near = near(link, readers);
        Self { folder, near, far: Some(far) }
    }

    /// One reader with its key, known to be there.
    async fn with_reader() -> Self {
        let mut world = Self::new(&[(5, required())], &[Make::with_key(5, KEY)]);
        world.up(5).await;
        world
    }

    fn link(&self) -> PathBuf {
        Path::join(self.folder.path(), "bus")
    }

    fn far(&self) -> &FarEnd {
        self.far.as_ref().unwrap()
    }

    async fn report(&mut self) -> BusReport {
        let report = timeout(PATIENCE, self.near.reports.recv()).await;
        report.expect("nothing is told").expect("the unit has ended")
    }

    async fn news(&mut self) -> (Id, ReaderNews) {
        match self.report().await {
            BusReport::Reader(report) => (report.reader, report.news),
            other => panic!("{other:?}"),
        }
    }

    /// The next news must be this.
    async fn expect(&mut self, news: ReaderNews) {
        assert_eq!(self.news().await.1, news);
    }

    /// Up, with the status that follows.
    async fn up(&mut self, address: u8) {
        let (reader, news) = self.news().await;
        let ReaderNews::Up { secure: true, identity: Some(_) } = news else { panic!("{news:?}") };
        assert_eq!(reader, id(address));
        self.expect(ReaderNews::Tamper { active: false }).await;
        self.expect(ReaderNews::Power { lost: false }).await;
    }

    fn show(&self, number: u64) {
        let (bits, data) = fob(number);
        self.far().card(5, bits, &data);
    }
}

fn fob(number: u64) -> (usize, Vec<u8>) {
    let mut buffer = [0; 16];
    let bits = Card::new(Format::H10301, 123, number).unwrap().encode();
    (26, bits.write_bytes(&mut buffer).to_vec())
}

fn credential(number: u64) -> Credential {
    let card = SiteKey::new(SITE).card(26, &fob(number).1);
    Credential::Card { card, bits: 26 }
}

#[tokio::test]
async fn a_card_is_told_as_its_hash_within_a_few_polls() {
    let mut world = World::with_reader().await;
    for number in 1..=20 {
        let shown = tokio::time::Instant::now();
        world.show(number);
        world.expect(ReaderNews::Presented(credential(number))).await;
        // 50 ms between two polls; the rest is for a busy machine.
        assert!(shown.elapsed() < Duration::from_millis(500), "{:?}", shown.elapsed());
    }
}

#[tokio::test]
async fn keys_after_a_card_are_its_pin_and_alone_they_are_a_pin_of_the_place() {
    let mut world = World::with_reader().await;
    let (site, place): (_, Id) = (SiteKey::new(SITE), "site".parse().unwrap());
    let alone = site.pin(PinContext::Place(&place), &[1, 9, 8, 4]);
    world.far().keys(5, b"19");
    world.far().keys(5, b"84#");
    world.expect(ReaderNews::Presented(Credential::Pin { alone, after: None })).await;
    world.show(7);
    world.far().keys(5, b"1984\r");
    let Credential::Card { card, .. } = credential(7) else { panic!("not a card") };
    world.expect(ReaderNews::Presented(credential(7))).await;
    let after = Some((card, site.pin(PinContext::Card(card), &[1, 9, 8, 4])));
    world.expect(ReaderNews::Presented(Credential::Pin { alone, after })).await;
}

#[tokio::test]
async fn a_card_with_a_wrong_parity_is_counted_not_dropped() {
    let mut world = World::with_reader().await;
    let (bits, mut data) = fob(9);
    data[1] ^= 4;
    for count in 1..=2 {
        world.far().card(5, bits, &data);
        let (_, news) = world.news().await;
        let ReaderNews::Unreadable { cause: Unreadable::Bits(_), count: told } = news else {
            panic!("{news:?}")
        };
        assert_eq!(told, count);
    }
}

#[tokio::test]
async fn tamper_and_power_are_told_when_they_come_and_when_they_go() {
    let mut world = World::with_reader().await;
    for (tamper, power) in [(true, false), (true, true), (false, false)] {
        world.far().status(5, tamper, power);
        world.expect(ReaderNews::Tamper { active: tamper }).await;
        world.expect(ReaderNews::Power { lost: power }).await;
    }
}

#[tokio::test]
async fn a_reader_whose_tamper_was_opened_while_the_bus_was_cut_tells_it_when_it_is_back() {
    let mut world = World::with_reader().await;
    world.far().cut(true);
    world.expect(ReaderNews::Down(DownCause::Osdp(Down::NoAnswer))).await;
    world.far().status(5, true, false);
    world.far().cut(false);
    let (_, news) = world.news().await;
    assert!(matches!(news, ReaderNews::Up { secure: true, .. }), "{news:?}");
    world.expect(ReaderNews::Tamper { active: true }).await;
}

#[tokio::test]
async fn granted_and_denied_are_shown_at_the_reader() {
    let world = World::with_reader().await;
    for (indication, color) in [
        (Indication::Granted, libosdp::OsdpLedColor::Green),
        (Indication::Denied, libosdp::OsdpLedColor::Red),
    ] {
        assert!(world.near.panel.show(&id(5), indication));
        let told = |expected: Told| {
            let told = world.far().told.recv_timeout(PATIENCE).unwrap();
            assert_eq!(told, (5, expected));
        };
        told(Told::Led { temporary: 2, color });
        told(Told::Buzzer);
    }
    assert!(!world.near.panel.show(&id(6), Indication::Granted), "there is no such reader");
}

#[tokio::test]
async fn a_card_shown_while_the_bus_was_cut_is_late_and_one_shown_after_it_is_not() {
    let mut world = World::with_reader().await;
    world.show(1);
    world.expect(ReaderNews::Presented(credential(1))).await;
    world.far().cut(true);
    let cut = tokio::time::Instant::now();
    world.expect(ReaderNews::Down(DownCause::Osdp(Down::NoAnswer))).await;
    assert!(cut.elapsed() < Duration::from_secs(2), "told after {:?}", cut.elapsed());
    world.show(2);
    world.far().cut(false);
    // What it kept comes first, then it is there.
    world.expect(ReaderNews::Late { credential: credential(2), not_before: None }).await;
    world.up(5).await;
    world.show(3);
    world.expect(ReaderNews::Presented(credential(3))).await;
}

#[tokio::test]
async fn a_reader_with_another_key_is_named_as_that_and_used_once_it_has_ours() {
    let mut world = World::new(&[(5, required())], &[Make::with_key(5, OTHER)]);
    world.expect(ReaderNews::Down(DownCause::Osdp(Down::WrongKey))).await;
    world.far().plug(&Make::with_key(5, KEY));
    world.up(5).await;
}

#[tokio::test]
async fn a_reader_without_secure_channel_is_not_used_if_there_is_a_key_for_it() {
    let mut world = World::new(&[(5, required())], &[]);
    // libosdp's devices always have it: it is taken out of the list of what the reader can do.
    world.far().meddle(Some(Box::new(|packet| {
        let start = packet.iter().position(|byte| *byte == 0x53).unwrap();
        let mut packet = packet[start..packet.len() - 2].to_vec();
        if packet[5] == 0x46 {
            let list = packet[6..].as_chunks_mut::<3>().0;
            list.iter_mut().find(|cap| cap[0] == 9).unwrap()[1] = 0;
        }
        Some(with_crc(packet))
    })));
    world.expect(ReaderNews::Down(DownCause::Osdp(Down::NoAnswer))).await;
    world.far().plug(&Make::with_key(5, KEY));
    world.expect(ReaderNews::Down(DownCause::Osdp(Down::NotSecure))).await;
}

#[tokio::test]
async fn a_new_reader_gets_its_key_only_while_it_is_installed() {
    let make = Make { address: 5, key: None, enforce: false };
    let mut world = World::new(&[(5, required())], std::slice::from_ref(&make));
    let (_, news) = world.news().await;
    assert!(matches!(news, ReaderNews::Down(_)), "a new reader is not ours: {news:?}");

    let install = Security::Install(Key::new(KEY).unwrap());
    let mut world = World::new(&[(5, install)], &[make]);
    loop {
        match world.news().await.1 {
            // Whether it has the key already is tried first.
            ReaderNews::Down(_) => {}
            ReaderNews::KeyInstalled => break,
            other => panic!("{other:?}"),
        }
    }
    world.up(5).await;
    assert_eq!(world.far().told.recv_timeout(PATIENCE).unwrap(), (5, Told::KeySet(KEY.to_vec())));
}

#[tokio::test]
async fn a_reader_that_restarts_is_a_lost_secure_channel_and_comes_back() {
    let mut world = World::with_reader().await;
    world.far().plug(&Make::with_key(5, KEY));
    let (_, news) = world.news().await;
    assert!(matches!(news, ReaderNews::SecureLost(Loss::Dropped { .. })), "{news:?}");
    world.up(5).await;
    world.show(1);
    world.expect(ReaderNews::Presented(credential(1))).await;
}

#[tokio::test]
async fn a_reader_that_is_replaced_by_one_with_another_key_is_lost_and_then_named() {
    let mut world = World::with_reader().await;
    world.far().plug(&Make::with_key(5, OTHER));
    let (_, news) = world.news().await;
    assert!(matches!(news, ReaderNews::SecureLost(Loss::Dropped { .. })), "{news:?}");
    world.expect(ReaderNews::Down(DownCause::Osdp(Down::WrongKey))).await;
}

#[tokio::test]
async fn a_reader_that_was_not_there_at_the_start_is_used_within_seconds_of_coming() {
    let mut world = World::new(&[(5, required())], &[]);
    world.expect(ReaderNews::Down(DownCause::Osdp(Down::NoAnswer))).await;
    let came = tokio::time::Instant::now();
    world.far().plug(&Make::with_key(5, KEY));
    world.up(5).await;
    assert!(came.elapsed() < Duration::from_secs(7), "{:?}", came.elapsed());
}

#[tokio::test]
async fn no_two_sessions_have_the_same_challenge() {
    // The session's keys are made of it: with the same one, a recorded session could be replayed.
    let mut challenges = std::collections::HashSet::new();
    for _ in 0..3 {
        let mut world = World::with_reader().await;
        world.far().plug(&Make::with_key(5, KEY));
        let (_, news) = world.news().await;
        assert!(matches!(news, ReaderNews::SecureLost(_)), "{news:?}");
        world.up(5).await;
        let heard = world.far().heard();
        // The block of the handshake's first step, CHLNG, and its eight bytes.
        let found = heard.windows(12).filter(|bytes| bytes.starts_with(&[3, 0x11, 1, 0x76]));
        challenges.extend(found.map(|bytes| bytes[4..].to_vec()));
    }
    assert_eq!(challenges.len(), 6, "{challenges:02x?}");
}

#[tokio::test]
async fn noise_on_the_bus_costs_no_card() {
    let mut world = World::with_reader().await;
    let mut turn = 0u8;
    world.far().meddle(Some(Box::new(move |packet| {
        turn = turn.wrapping_add(1);
        // Before each reply: what looks like the start of a packet, and is none.
        let mut noisy = vec![0x53, 0x53, 0x85, turn, 0xff, 0x00, 0xff];
        noisy.extend(packet);
        Some(noisy)
    })));
    for number in 1..=5 {
        world.show(number);
        world.expect(ReaderNews::Presented(credential(number))).await;
    }
}

#[tokio::test]
async fn lost_replies_are_asked_for_again_and_cost_neither_a_card_nor_the_secure_channel() {
    let mut world = World::with_reader().await;
    let mut turn = 0u32;
    world.far().meddle(Some(Box::new(move |packet| {
        turn += 1;
        // Two of three: of the tries of one command, always one comes through.
        turn.is_multiple_of(3).then(|| packet.to_vec())
    })));
    for number in 1..=5 {
        world.show(number);
        world.expect(ReaderNews::Presented(credential(number))).await;
    }
}

#[tokio::test]
async fn an_adapter_that_is_pulled_out_is_one_fault_and_everything_comes_back_with_it() {
    let mut world = World::with_reader().await;
    world.far = None;
    let BusReport::Fault { cause, at } = world.report().await else { panic!("no fault") };
    assert!(!cause.is_empty());
    world.expect(ReaderNews::Down(DownCause::Osdp(Down::BusGone))).await;
    let far = FarEnd::new(&world.link());
    far.plug(&Make::with_key(5, KEY));
    world.far = Some(far);
    let BusReport::Restored { at: restored } = world.report().await else { panic!("no restore") };
    assert!(restored > at);
    world.up(5).await;
}

#[tokio::test]
async fn a_port_that_is_not_there_is_told_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let mut near = near(folder.path().join("ttyUSB9"), &[(5, required())]);
    let report = timeout(PATIENCE, near.reports.recv()).await.unwrap().unwrap();
    let BusReport::Fault { cause, .. } = report else { panic!("{report:?}") };
    assert!(cause.contains("ttyUSB9") && cause.contains("plugged in"), "{cause}");
}

#[tokio::test]
async fn a_reader_that_is_away_does_not_starve_the_others() {
    let readers = [(5, required()), (6, required()), (7, required())];
    let makes = [Make::with_key(5, KEY), Make::with_key(7, KEY)];
    let mut world = World::new(&readers, &makes);
    let (mut up, mut away) = (0, false);
    while up < 2 || !away {
        match world.news().await.1 {
            ReaderNews::Up { .. } => up += 1,
            ReaderNews::Down(DownCause::Osdp(Down::NoAnswer)) => away = true,
            ReaderNews::Tamper { active: false } | ReaderNews::Power { lost: false } => {}
            other => panic!("{other:?}"),
        }
    }
    for number in 1..=10 {
        for address in [5, 7] {
            let (bits, data) = fob(number);
            world.far().card(address, bits, &data);
            let shown = tokio::time::Instant::now();
            let news = loop {
                match world.news().await.1 {
                    ReaderNews::Tamper { .. } | ReaderNews::Power { .. } => {}
                    news => break news,
                }
            };
            assert_eq!(news, ReaderNews::Presented(credential(number)));
            assert!(shown.elapsed() < Duration::from_secs(1), "{:?}", shown.elapsed());
        }
    }
    world.far().unplug(7);
    world.expect(ReaderNews::Down(DownCause::Osdp(Down::NoAnswer))).await;
}

#[tokio::test]
async fn no_report_shows_what_was_on_a_card() {
    let mut world = World::with_reader().await;
    world.show(4567);
    let report = format!("{:?}", world.report().await);
    let number = format!("{:02x?}", fob(4567).1);
    assert!(!report.contains("4567") && !report.contains(&number), "{report}");
}
