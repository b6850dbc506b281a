//! Random sites with sirens, random inputs: what must hold whatever happens.

use proptest::prelude::*;

use super::super::zone_tests::random::{begins_and_ends, cases};
use super::*;

#[derive(Clone, Debug)]
enum Op {
    Zone(usize, Condition),
    Arm(usize, bool),
    Disarm(usize),
    Silence(Option<usize>),
    Tick,
}

fn config() -> impl Strategy<Value = SiteConfig> {
    let kind = proptest::sample::select(ZoneKind::ALL.to_vec());
    let zone = (kind, 0..3_usize, 0..3_u8);
    let output = (any::<bool>(), any::<bool>(), 1..6_u64, 0..3_usize, 1..512_u16);
    let zones = proptest::collection::vec(zone, 1..6);
    let outputs = proptest::collection::vec(output, 1..4);
    (zones, outputs, 0..3_u64).prop_map(|(zones, outputs, delay)| {
        let zones = zones.into_iter().enumerate().map(|(n, (kind, place, swinger))| ZoneConfig {
            partition: Some(place).filter(|it| *it < 2 || kind.needs_arming()).map(|it| it % 2),
            swinger,
            ..super::zone(&format!("z{n}"), kind)
        });
        let outputs = outputs.into_iter().enumerate();
        let outputs = outputs.map(|(n, (sounds, outside, lasts, place, dangers))| {
            let role = if sounds { Role::Siren } else { Role::Strobe };
            let all = [
                Danger::Burglary,
                Danger::Panic,
                Danger::SilentPanic,
                Danger::Tamper,
                Danger::Fire,
                Danger::Flood,
                Danger::Gas,
                Danger::Technical,
                Danger::Door,
            ];
            let some = all.into_iter().enumerate().filter(|(bit, _)| dangers >> bit & 1 == 1);
            OutputConfig {
                outside,
                lasts: Duration::from_secs(lasts),
                partitions: Some(place).filter(|it| *it < 2).into_iter().collect(),
                dangers: Dangers::of(some.map(|(_, danger)| danger)),
                ..OutputConfig::new(id(&format!("o{n}")), role, format!("sim:o{n}"))
            }
        });
        let seconds = Duration::from_secs(delay);
        let delays = ModeConfig { exit: seconds, entry: seconds };
        let part = |name| PartitionConfig { modes: [Some(delays); 4], ..partition(name) };
        SiteConfig {
            zones: zones.collect(),
            outputs: outputs.collect(),
            partitions: vec![part("p0"), part("p1")],
            ..SiteConfig::default()
        }
    })
}

fn op() -> impl Strategy<Value = Op> {
    let condition = proptest::sample::select(vec![
        Condition::Normal,
        Condition::Active,
        Condition::Active,
        Condition::Normal,
        Condition::Tamper,
        Condition::Unknown,
    ]);
    let place = prop_oneof![Just(None), (0..2_usize).prop_map(Some)];
    prop_oneof![
        8 => (0..5_usize, condition).prop_map(|(zone, condition)| Op::Zone(zone, condition)),
        3 => (0..2_usize, any::<bool>()).prop_map(|(place, once)| Op::Arm(place, once)),
        2 => (0..2_usize).prop_map(Op::Disarm),
        1 => place.prop_map(Op::Silence),
        2 => Just(Op::Tick),
    ]
}

fn scripts() -> impl Strategy<Value = Vec<(u64, Op)>> {
    proptest::collection::vec((0..2_500_u64, op()), 1..40)
}

fn input(op: &Op, at: Mono) -> Input {
    let verb = match *op {
        Op::Zone(zone, condition) => return Input::Zone { zone, condition, at, resynced: false },
        Op::Tick => return Input::Tick,
        Op::Arm(partition, at_once) => {
            Verb::Arm { partition, mode: Mode::Away, force: true, at_once }
        }
        Op::Disarm(partition) => Verb::Disarm { partition },
        Op::Silence(partition) => Verb::Silence { partition },
    };
    Input::Command(Command { id: 0, via: Via::Web, actor: None, verb, at })
}

impl House {
    /// Time goes on to `ms`, with a look at each deadline on the way. `each` sees what each brings.
    fn pass(&mut self, ms: u64, mut each: impl FnMut(&Self, &[Effect])) {
        while let Some(due) = self.site.next_deadline().filter(|due| due.0 < ms * 1_000_000) {
            self.ms = self.ms.max(due.0.div_ceil(1_000_000));
            let effects = self.site.apply(Input::Tick, &now(self.ms));
            each(self, &effects);
            self.take(effects);
        }
        self.ms = ms;
    }

    fn step(&mut self, op: &Op, mut each: impl FnMut(&Self, &[Effect])) {
        let effects = self.site.apply(input(op, self.at()), &now(self.ms));
        each(self, &effects);
        self.take(effects);
    }
}

/// The alarm among these effects for which an output may go on.
fn causes(site: &Site, output: &OutputConfig, effects: &[Effect]) -> bool {
    effects.iter().filter_map(Effect::record).any(|draft| {
        let place = draft.partition.as_ref();
        let place = place.and_then(|id| site.partitions.iter().position(|p| p.config.id == *id));
        let set = |it: usize| site.partitions[it].protects() != Mode::Disarmed;
        let danger = Danger::of(draft);
        let tamper_unset = danger == Danger::Tamper
            && output.outside
            && !place.map_or_else(|| (0..2).any(|it| output.is_for(Some(it)) && set(it)), set);
        draft.qualifier == Qualifier::New
            && draft.class.lane() == crate::event::Lane::Alarm
            && !is_silent(&draft.kind)
            && !draft.test
            && output.dangers.contains(danger)
            && danger != Danger::SilentPanic
            && output.is_for(place)
            && !tamper_unset
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn nothing_sounds_without_its_cause_and_every_siren_stops(
        config in config(), script in scripts(),
    ) {
        let mut house = House::new(&config);
        let mut since = vec![None; config.outputs.len()];
        let mut wrong = Vec::new();
        let mut look = |house: &House, effects: &[Effect]| {
            for effect in effects {
                let Effect::Output { output, drive } = effect else { continue };
                let place = *output;
                let output = &config.outputs[place];
                if *drive == Drive::Off {
                    let on: Option<u64> = since[place].take();
                    let longest = 2 * u64::try_from(output.lasts.as_millis()).unwrap();
                    if output.role == Role::Siren && on.is_some_and(|on| house.ms - on > longest) {
                        wrong.push(format!("{} sounded from {on:?} to {}", output.id, house.ms));
                    }
                    continue;
                }
                since[place].get_or_insert(house.ms);
                if !causes(&house.site, output, effects) {
                    wrong.push(format!("{} without a cause: {effects:?}", output.id));
                }
            }
        };
        let mut ms = 1_000;
        for (wait, op) in &script {
            ms += wait;
            house.pass(ms, &mut look);
            house.step(op, &mut look);
        }
        house.pass(ms + 20_000, &mut look);
        prop_assert!(wrong.is_empty(), "{wrong:?}");
        for (output, on) in config.outputs.iter().zip(&house.on) {
            prop_assert!(output.role != Role::Siren || !on, "{} sounds for ever", output.id);
        }
        // And each strobe, once everything is disarmed and silenced.
        house.want(Verb::Disarm { partition: 0 });
        house.want(Verb::Disarm { partition: 1 });
        house.want(SILENCE);
        prop_assert!(house.on.iter().all(|on| !on), "a strobe flashes for ever");
        let open = begins_and_ends(&house.told)?;
        prop_assert!(open.iter().all(|(_, kind)| kind != "output.on"));
    }

    #[test]
    fn what_is_silent_changes_nothing_that_can_be_heard(
        config in config(), script in scripts(),
    ) {
        // One that is pressed prevents the arming of its partition (EN 50131-1, Table 4).
        let mut config = config;
        for zone in config.zones.iter_mut().filter(|zone| zone.kind.is_silent()) {
            zone.partition = None;
        }
        let silent = |zone: usize| {
            config.zones.get(zone).is_some_and(|zone| zone.kind == ZoneKind::SilentPanic)
        };
        let run = |without: bool| {
            let mut house = House::new(&config);
            let (mut heard, mut ms) = (Vec::new(), 1_000);
            let mut look = |house: &House, effects: &[Effect]| {
                let loud = effects.iter().filter(|effect| {
                    matches!(effect, Effect::Output { .. } | Effect::Chime { .. })
                });
                heard.extend(loud.map(|effect| (house.ms, effect.clone())));
            };
            for (wait, op) in &script {
                ms += wait;
                house.pass(ms, &mut look);
                match *op {
                    // As if nobody had pressed it.
                    Op::Zone(zone, Condition::Active) if without && silent(zone) => {
                        house.step(&Op::Zone(zone, Condition::Normal), &mut look);
                    }
                    _ => house.step(op, &mut look),
                }
            }
            heard
        };
        prop_assert_eq!(run(false), run(true));
    }

    #[test]
    fn a_restart_at_any_step_sounds_on_as_if_there_had_been_none(
        config in config(), script in scripts(), cut in 0..40_usize, other_boot in any::<bool>(),
    ) {
        let mut config = config;
        for zone in &mut config.zones {
            zone.record = true;
        }
        let mut whole = House::new(&config);
        let mut cut_one: Option<House> = None;
        let mut conditions = vec![Condition::Normal; config.zones.len()];
        let mut ms = 1_000;
        for (step, (wait, op)) in script.iter().enumerate() {
            ms += wait;
            whole.pass(ms, |_, _| {});
            whole.put(Input::Tick);
            if let Some(cut_one) = &mut cut_one {
                cut_one.pass(ms, |_, _| {});
                cut_one.put(Input::Tick);
            }
            let leaving =
                |p: &Partition| matches!(p.arming(), partition::Arming::Leaving { .. });
            // An exit delay is made longer by a restart, until the zones are known again.
            if step >= cut && cut_one.is_none() && !whole.site.partitions.iter().any(leaving) {
                let boot = if other_boot { "other" } else { "boot" };
                let mut new = whole.restarted(&config, boot, ms);
                for (zone, condition) in conditions.iter().enumerate() {
                    new.is(zone, *condition);
                }
                cut_one = Some(new);
            }
            if let Some(cut_one) = &cut_one {
                prop_assert_eq!(&whole.on, &cut_one.on, "before step {}", step);
            }
            if let Op::Zone(zone, condition) = op
                && let Some(known) = conditions.get_mut(*zone)
            {
                *known = *condition;
            }
            whole.step(op, |_, _| {});
            if let Some(cut_one) = &mut cut_one {
                cut_one.step(op, |_, _| {});
                prop_assert_eq!(&whole.on, &cut_one.on, "after {:?}", op);
            }
        }
        whole.pass(ms + 20_000, |_, _| {});
        if let Some(cut_one) = &mut cut_one {
            cut_one.pass(ms + 20_000, |_, _| {});
            prop_assert_eq!(&whole.on, &cut_one.on);
        }
    }
}
