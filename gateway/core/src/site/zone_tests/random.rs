//! Random sites, random inputs: what must hold whatever happens.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::event::Draft;

#[derive(Clone, Debug)]
pub(in crate::site) enum Op {
    Zone(usize, Condition),
    Line(usize, ZoneLine, Option<bool>),
    Reset(usize),
    Arm(usize, Mode, bool, bool),
    Disarm(usize),
    Bypass(usize),
    Unbypass(usize),
    Walk(usize, u64),
    Camera(usize, CameraSays),
    Tick,
    /// The wall clock steps by so many seconds.
    Step(i64),
}

pub(in crate::site) fn config() -> impl Strategy<Value = SiteConfig> {
    let kind = proptest::sample::select(ZoneKind::ALL.to_vec());
    let zone = (kind, 0..2_usize, any::<bool>(), 0..3_u8, any::<bool>(), 0..16_u8, 0..32_u8);
    let zones = proptest::collection::vec(zone, 1..6);
    let seen = proptest::collection::vec((0..2_usize, 0..3_u8), 0..3);
    (zones, seen, 0..4_u64, 0..4_u64, any::<bool>(), 1..5_u8).prop_map(
        |(zones, seen, exit, entry, common, grade)| {
            let wired = zones.len();
            let mut zones = zones;
            // What cameras see is like any other zone but for its wire.
            let again: Vec<_> = zones.iter().copied().take(seen.len()).collect();
            zones.extend(again);
            let motion = seen.into_iter().map(|(camera, area)| MotionConfig {
                camera,
                area: ["drive", "tree"].get(usize::from(area)).map(|area| id(area)),
            });
            let mut motion = motion.collect::<Vec<_>>().into_iter();
            let zones = zones.into_iter().enumerate();
            let zones = zones.map(|(n, zone)| {
                let (kind, partition, record, swinger, bypassable, modes, extras) = zone;
                let camera = if n < wired { None } else { motion.next() };
                let has = |bit: u8| extras >> bit & 1 == 1;
                let second = has(0).then_some(Duration::from_secs(1));
                let set =
                    Mode::ARMED.into_iter().filter(|mode| modes >> (*mode as u8 - 1) & 1 == 1);
                ZoneConfig {
                    partition: Some(partition),
                    record,
                    swinger,
                    bypassable,
                    modes: Modes::of(set),
                    hold_off: Duration::from_secs(2),
                    lines: LinesConfig { second, fault: has(1), mask: has(2) },
                    latch: has(3),
                    stuck: has(4).then_some(Duration::from_secs(4)),
                    camera,
                    ..super::zone(&format!("z{n}"), kind)
                }
            });
            let seconds = Duration::from_secs;
            let delays = ModeConfig { exit: seconds(exit), entry: seconds(entry) };
            let part = |name: &str, common_to| PartitionConfig {
                id: id(name),
                common_to,
                modes: [Some(delays); 4],
            };
            let mut partitions = vec![part("p0", vec![]), part("p1", vec![])];
            if common {
                partitions.push(part("stair", vec![0, 1]));
            }
            let area = |name, tells| CameraAreaConfig { tells, ..CameraAreaConfig::new(id(name)) };
            let areas = vec![area("drive", Tells::Always), area("tree", Tells::Never)];
            let camera = |name: &str| CameraConfig {
                areas: areas.clone(),
                ..CameraConfig::new(id(name), format!("rtsp://10.0.0.1/{name}"))
            };
            let cameras = vec![camera("c0"), camera("c1")];
            let zones = zones.collect();
            SiteConfig { zones, partitions, cameras, grade, ..SiteConfig::default() }
        },
    )
}

pub(in crate::site) fn op() -> impl Strategy<Value = Op> {
    let condition = proptest::sample::select(vec![
        Condition::Normal,
        Condition::Active,
        Condition::Active,
        Condition::Normal,
        Condition::Unknown,
        Condition::Tamper,
        Condition::Fault,
        Condition::Masked,
    ]);
    let mode = proptest::sample::select(Mode::ARMED.to_vec());
    let lines = vec![ZoneLine::Second, ZoneLine::Second, ZoneLine::Fault, ZoneLine::Mask];
    let line = proptest::sample::select(lines);
    let active = proptest::sample::select(vec![None, Some(false), Some(false), Some(true)]);
    prop_oneof![
        6 => (0..5_usize, line, active).prop_map(|(zone, line, on)| Op::Line(zone, line, on)),
        1 => (0..5_usize).prop_map(Op::Reset),
        8 => (0..5_usize, condition).prop_map(|(zone, condition)| Op::Zone(zone, condition)),
        3 => (0..3_usize, mode, any::<bool>(), any::<bool>())
            .prop_map(|(p, mode, force, once)| Op::Arm(p, mode, force, once)),
        2 => (0..3_usize).prop_map(Op::Disarm),
        1 => (0..5_usize).prop_map(Op::Bypass),
        1 => (0..5_usize).prop_map(Op::Unbypass),
        1 => (0..3_usize, 0..3_u64).prop_map(|(p, s)| Op::Walk(p, s)),
        8 => (0..2_usize, says()).prop_map(|(camera, says)| Op::Camera(camera, says)),
        2 => Just(Op::Tick),
        1 => (-100_000..100_000_i64).prop_map(Op::Step),
    ]
}

fn says() -> impl Strategy<Value = CameraSays> {
    let links = vec![
        CameraLink::Up,
        CameraLink::Up,
        CameraLink::Up,
        CameraLink::Degraded,
        CameraLink::Silent,
        CameraLink::Unreachable,
    ];
    let tamper = proptest::sample::select(CameraTamper::ALL.to_vec());
    prop_oneof![
        3 => proptest::sample::select(links).prop_map(|link| CameraSays::Link { link, cause: None }),
        1 => (tamper, any::<bool>()).prop_map(|(kind, on)| CameraSays::Tamper { kind, on }),
        2 => proptest::sample::select(vec![true, true, true, false]).prop_map(CameraSays::Watches),
        4 => (prop_oneof!["drive", "tree"], any::<bool>())
            .prop_map(|(area, on)| CameraSays::Motion { area: area.parse().unwrap(), on }),
    ]
}

/// What a camera's unit says of it when it is asked anew.
#[derive(Clone, Debug, Default)]
struct Seen {
    link: Option<CameraLink>,
    watches: bool,
    tampers: BTreeMap<CameraTamper, bool>,
    moves: BTreeSet<Id>,
}

impl Seen {
    fn hear(&mut self, says: &CameraSays) {
        let lost = |link: CameraLink| !matches!(link, CameraLink::Up | CameraLink::Degraded);
        match says {
            CameraSays::Link { link, .. } => {
                self.link = Some(*link);
                if lost(*link) {
                    self.moves.clear();
                }
            }
            CameraSays::Tamper { kind, on } => {
                self.tampers.insert(*kind, *on);
            }
            CameraSays::Watches(on) => self.watches = *on,
            CameraSays::Storage { .. } => {}
            CameraSays::Motion { area, on: true } if self.link.is_some_and(|it| !lost(it)) => {
                self.moves.insert(area.clone());
            }
            CameraSays::Motion { area, .. } => {
                self.moves.remove(area);
            }
        }
    }

    fn all(&self) -> Vec<CameraSays> {
        let link = self.link.map(|link| CameraSays::Link { link, cause: None });
        let tampers =
            { self.tampers.iter() }.map(|(kind, on)| CameraSays::Tamper { kind: *kind, on: *on });
        let moves =
            self.moves.iter().map(|area| CameraSays::Motion { area: area.clone(), on: true });
        let watches = self.watches.then_some(CameraSays::Watches(true));
        link.into_iter().chain(tampers).chain(moves).chain(watches).collect()
    }
}

pub(in crate::site) fn input(op: &Op, at: Mono) -> Input {
    if let Op::Camera(camera, says) = op {
        return Input::Camera { camera: *camera, says: says.clone(), at };
    }
    let verb = match *op {
        Op::Camera(..) => unreachable!(),
        Op::Zone(zone, condition) => {
            return Input::Zone { zone, condition, at, resynced: false };
        }
        Op::Line(zone, line, active) => {
            return Input::ZoneLine { zone, line, active, at, resynced: false };
        }
        Op::Reset(zone) => Verb::Reset { zone },
        Op::Tick | Op::Step(_) => return Input::Tick,
        Op::Arm(partition, mode, force, at_once) => Verb::Arm { partition, mode, force, at_once },
        Op::Disarm(partition) => Verb::Disarm { partition },
        Op::Bypass(zone) => Verb::Bypass { zone },
        Op::Walk(partition, s) => Verb::WalkTest { partition, lasts: Duration::from_secs(s) },
        Op::Unbypass(zone) => Verb::Unbypass { zone },
    };
    Input::Command(Command { id: 0, via: Via::Web, actor: None, verb, at })
}

/// All effects of a run; `steps`: whether the wall clock steps where the script says so.
fn run(config: &SiteConfig, script: &[(u64, Op)], steps: bool) -> (Site, Vec<Effect>) {
    let mut site = Site::new(config.clone(), "boot");
    let (mut ms, mut step, mut all) = (1_000, 0, Vec::new());
    for (wait, op) in script {
        ms += wait;
        if let (Op::Step(by), true) = (op, steps) {
            step += by * 1_000;
        }
        let mut now = now(ms);
        now.utc.0 += step;
        all.extend(site.apply(input(op, now.mono), &now));
        assert_eq!(site.next, site.earliest(), "the next deadline is remembered wrong");
    }
    (site, all)
}

pub(in crate::site) fn drafts(effects: &[Effect]) -> Vec<Draft> {
    let drafts = effects.iter().filter_map(|effect| effect.record().cloned());
    drafts
        .map(|mut draft| {
            draft.time.utc = UtcMs(0);
            draft
        })
        .collect()
}

pub(in crate::site) fn scripts() -> impl Strategy<Value = Vec<(u64, Op)>> {
    proptest::collection::vec((0..2_500_u64, op()), 1..40)
}

/// Whatever begins ends once or is open, and every type is in the list. Says what is open: source and
/// type.
pub(in crate::site) fn begins_and_ends<'a>(
    drafts: impl IntoIterator<Item = &'a Draft>,
) -> Result<BTreeSet<(String, String)>, TestCaseError> {
    let mut open: BTreeSet<(String, String)> = BTreeSet::new();
    for draft in drafts {
        prop_assert!(EVENT_TYPES.contains(&&*draft.kind), "{} is not listed", draft.kind);
        let id = draft.source.id.to_string();
        match draft.qualifier {
            Qualifier::New => {
                let began = (id, draft.kind.to_string());
                prop_assert!(open.insert(began.clone()), "{began:?} began twice");
            }
            Qualifier::Restore => {
                let ended = (id, draft.closes.unwrap().to_owned());
                prop_assert!(open.remove(&ended), "{ended:?} ended without a beginning");
            }
            Qualifier::Status => {}
        }
    }
    Ok(open)
}

pub(in crate::site) fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000)
}

proptest! {
    // A second of work; PROPTEST_CASES asks for more.
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn nothing_depends_on_steps_of_the_wall_clock(config in config(), script in scripts()) {
        let (_, still) = run(&config, &script, false);
        let (_, stepping) = run(&config, &script, true);
        prop_assert_eq!(drafts(&still), drafts(&stepping));
    }

    #[test]
    fn whatever_begins_ends_once_or_is_open(config in config(), script in scripts()) {
        let (_, effects) = run(&config, &script, true);
        begins_and_ends(&drafts(&effects))?;
    }

    #[test]
    fn no_alarm_without_its_cause(config in config(), script in scripts()) {
        let mut site = Site::new(config.clone(), "boot");
        let (mut active, mut pressed) = (BTreeSet::new(), BTreeSet::new());
        let mut moved = BTreeSet::new();
        let mut ms = 1_000;
        for (wait, op) in &script {
            ms += wait;
            match op {
                Op::Zone(zone, Condition::Active) => {
                    active.insert(*zone);
                }
                Op::Line(zone, ZoneLine::Second, Some(true)) => {
                    pressed.insert(*zone);
                }
                Op::Camera(camera, CameraSays::Motion { area, on: true }) => {
                    moved.insert((*camera, area.clone()));
                }
                _ => {}
            }
            // Delays that end now are looked at apart from the input.
            let mut told = drafts(&site.apply(Input::Tick, &now(ms)));
            told.retain(|draft| draft.cause.as_deref() != Some("entry delay ended"));
            prop_assert!(told.iter().all(|draft| draft.class.lane() != crate::event::Lane::Alarm));
            let armed: Vec<_> = site.partitions.iter().map(Partition::protects).collect();
            let bypassed: Vec<_> = site.zones.iter().map(|zone| zone.bypass().is_some()).collect();
            for draft in drafts(&site.apply(input(op, now(ms).mono), &now(ms))) {
                if draft.qualifier != Qualifier::New || draft.class.lane() != crate::event::Lane::Alarm
                    || draft.kind == "zone.tamper" || draft.source.kind == "camera" || draft.test {
                    continue;
                }
                let place = config.zones.iter().position(|zone| zone.id == draft.source.id).unwrap();
                let zone = &config.zones[place];
                let there = |of: &MotionConfig| moved.iter().any(|(camera, area)| {
                    *camera == of.camera && of.area.as_ref().is_none_or(|id| id == area)
                });
                let was = zone.camera.as_ref().map_or(active.contains(&place), there);
                prop_assert!(was, "{} was never active", draft.source.id);
                let both = zone.lines.second.is_none() || zone.camera.is_some()
                    || pressed.contains(&place);
                prop_assert!(both, "{}: one button of two", draft.source.id);
                if zone.kind.needs_arming() {
                    let mode = armed[zone.partition.unwrap()];
                    prop_assert!(mode != Mode::Disarmed && zone.modes.contains(mode),
                        "{} alarmed in {mode:?}", draft.source.id);
                }
                let by_this = matches!(op, Op::Unbypass(zone) if *zone == place);
                prop_assert!(!bypassed[place] || by_this, "{} is bypassed", draft.source.id);
            }
        }
    }

    #[test]
    fn a_restart_at_any_step_goes_on_as_if_there_had_been_none(
        config in config(), script in scripts(), cut in 0..40_usize,
    ) {
        let mut config = config;
        for zone in &mut config.zones {
            zone.record = true;
        }
        let (mut ms, mut kept) = (1_000, BTreeMap::new());
        let mut whole = Site::new(config.clone(), "boot");
        let mut cut_one: Option<Site> = None;
        let mut conditions = vec![Condition::Unknown; config.zones.len()];
        let mut lines: BTreeMap<(usize, ZoneLine), Option<bool>> = BTreeMap::new();
        let mut cameras = vec![Seen::default(); config.cameras.len()];
        for (step, (wait, op)) in script.iter().enumerate() {
            ms += wait;
            let leaving = |p: &Partition| matches!(p.arming(), partition::Arming::Leaving { .. });
            // An exit delay is made longer by a restart, until the zones are known again, a walk
            // test ends, and who pressed one button of two must press it again.
            let settled = !whole.partitions.iter().any(|p| leaving(p) || p.walk.is_some())
                && !whole.zones.iter().any(Zone::is_half);
            if step >= cut && cut_one.is_none() && settled {
                // The box was off for no time at all, and finds every wire as it was.
                let mut new = Site::new(config.clone(), "boot");
                let given = kept.iter().map(|(k, v): (&String, &String)| (k.as_str(), v.as_str()));
                new.restore(given, &id("g"), &now(ms));
                whole.apply(Input::Tick, &now(ms));
                let at = now(ms).mono;
                let found = conditions.iter().enumerate().map(|(zone, condition)| {
                    Input::Zone { zone, condition: *condition, at, resynced: false }
                });
                let further = lines.iter().map(|((zone, line), active)| {
                    let (zone, line, active) = (*zone, *line, *active);
                    Input::ZoneLine { zone, line, active, at, resynced: false }
                });
                let seen = cameras.iter().enumerate().flat_map(|(camera, seen)| {
                    seen.all().into_iter().map(move |says| Input::Camera { camera, says, at })
                });
                for found in found.chain(further).chain(seen).collect::<Vec<_>>() {
                    let told = new.apply(found, &now(ms));
                    let news = drafts(&told).into_iter().map(|draft| draft.kind.to_string());
                    let news: Vec<_> = news.collect();
                    prop_assert!(news.is_empty(), "the restart told {news:?}");
                }
                cut_one = Some(new);
            }
            if let Op::Zone(zone, condition) = op
                && let Some(known) = conditions.get_mut(*zone)
            {
                *known = *condition;
            }
            if let Op::Camera(camera, says) = op {
                cameras[*camera].hear(says);
            }
            if let Op::Line(zone, line, active) = op
                && *zone < config.zones.len()
            {
                lines.insert((*zone, *line), *active);
            }
            let expected = whole.apply(input(op, now(ms).mono), &now(ms));
            if let Some(cut_one) = &mut cut_one {
                let same = cut_one.apply(input(op, now(ms).mono), &now(ms));
                // Trouble that has not lasted yet begins to last anew.
                let told = |effects: &[Effect]| -> Vec<_> {
                    let all = drafts(effects).into_iter();
                    all.filter(|draft| draft.class != Class::Fault)
                        .map(|draft| (draft.source.id, draft.kind))
                        .collect()
                };
                prop_assert_eq!(told(&expected), told(&same));
            }
            for effect in expected {
                match effect {
                    Effect::Keep { key, value: Some(value) } => drop(kept.insert(key, value)),
                    Effect::Keep { key, value: None } => drop(kept.remove(&key)),
                    _ => {}
                }
            }
        }
        if let Some(cut_one) = cut_one {
            let states = |site: &Site| site.states().map(|(_, _, word)| word).collect::<Vec<_>>();
            prop_assert_eq!(states(&whole), states(&cut_one));
        }
    }
}
