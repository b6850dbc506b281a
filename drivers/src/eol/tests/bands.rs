//! Tables of bands: what is refused, and what hysteresis does.

use super::*;

const EDGES: [(Ohms, LoopState); 3] =
    [(Ohms(800), Normal), (Ohms(1_500), Alarm), (Ohms(12_000), Open)];

fn table(
    nominal: u32,
    lowest: LoopState,
    above: &[(Ohms, LoopState)],
) -> Result<Bands, BandsError> {
    Bands::new(Ohms(nominal), lowest, above)
}

#[test]
fn a_table_that_would_hide_something_is_refused() {
    assert!(table(1_000, Short, &EDGES).is_ok());
    assert_eq!(table(1_000, Short, &[]), Err(BandsError::Count));
    assert_eq!(table(1_000, Short, &[EDGES[0]; 8]), Err(BandsError::Count));
    let normal_short = table(500, Normal, &[(Ohms(1_500), Open)]);
    assert_eq!(normal_short, Err(BandsError::ShortIsNormal));
    let normal_open = table(3_000, Short, &[(Ohms(1_500), Normal)]);
    assert_eq!(normal_open, Err(BandsError::OpenIsNormal));
    let warned_open = table(1_000, Short, &[(Ohms(800), Normal), (Ohms(1_500), HighR)]);
    assert_eq!(warned_open, Err(BandsError::OpenIsNormal));
    let unstable = table(1_000, Short, &[EDGES[0], (Ohms(1_500), Unstable), EDGES[2]]);
    assert_eq!(unstable, Err(BandsError::NoResistance(2)));
    let descending = table(1_000, Short, &[EDGES[0], EDGES[2], (Ohms(1_500), Open)]);
    assert_eq!(descending, Err(BandsError::TooClose(2)));
    let narrow = table(1_000, Short, &[(Ohms(800), LowR), (Ohms(860), Normal), EDGES[1], EDGES[2]]);
    assert_eq!(narrow, Err(BandsError::TooClose(1)));
    for nominal in [700, 820, 1_460, 1_500, 2_000] {
        assert_eq!(table(nominal, Short, &EDGES), Err(BandsError::Nominal), "{nominal}");
    }
    assert_eq!(table(1_000, Short, &[(Ohms(800), Alarm)]), Err(BandsError::Nominal));
    let twice = table(1_000, Short, &[EDGES[0], EDGES[1], (Ohms(3_000), Normal), EDGES[2]]);
    assert_eq!(twice, Err(BandsError::Nominal));
    assert!(BandsError::TooClose(1).to_string().starts_with("edge 2 must be above the one before"));
}

#[test]
fn every_preset_has_a_name_and_is_found_by_it() {
    for preset in Preset::ALL {
        assert_eq!(Preset::from_name(preset.name()), Some(preset));
    }
    assert_eq!(Preset::from_name("galaxy-3k3"), None);
}

/// The narrowest band is what a converter must tell apart: in a 1 kohm loop the high resistance,
/// 1.2 to 1.3 kohm, is 65 mV of 3.3 V.
#[test]
fn the_narrowest_band_says_which_converter_is_good_enough() {
    let config = LoopConfig::preset(Preset::GalaxyDouble1k);
    assert_eq!((config.narrowest_band(1_024), config.narrowest_band(4_096)), (20, 81));
    let high = LoopConfig { pull_up: Ohms(100_000), ..config };
    assert_eq!(high.narrowest_band(1_024), 1);
}

/// The tables as they are printed in the manuals.
#[test]
fn the_presets_are_the_tables_of_their_panels() {
    let told = |preset: Preset| {
        preset.bands().iter().map(|(state, end)| (state, end.0)).collect::<Vec<_>>()
    };
    let end = u32::MAX;
    assert_eq!(
        told(Preset::GalaxyFault1k),
        [
            (Short, 800),
            (LowR, 900),
            (Normal, 1_200),
            (HighR, 1_300),
            (Alarm, 3_500),
            (Fault, 4_500),
            (Masked, 19_000),
            (Open, end),
        ]
    );
    assert_eq!(told(Preset::MaxproSingle2k), [(Short, 1_000), (Normal, 3_000), (Open, end)]);
    let single = [Preset::MaxproSingle2k, Preset::AmaxSingle2k2, Preset::DscSingle5k6];
    for preset in single {
        let tells = |state| told(preset).iter().any(|(of, _)| *of == state);
        assert!(!tells(Alarm) && !tells(Masked) && !tells(Fault), "{preset:?}");
    }
}

proptest! {
    #[test]
    fn more_resistance_is_never_a_lower_band(
        preset in prop::sample::select(&Preset::ALL[..]),
        from in prop::option::of(0_usize..8),
        ohms in 0_u32..40_000, more in 0_u32..40_000,
    ) {
        let bands = preset.bands();
        prop_assert!(bands.band(Ohms(ohms), from) <= bands.band(Ohms(ohms + more), from));
        prop_assert!(bands.band(Ohms(ohms + more), from) <= bands.band(Ohms::OPEN, from));
    }

    /// Hysteresis keeps a loop in its band for a while, and never carries it past one.
    #[test]
    fn a_resistance_that_moves_slowly_skips_no_band(
        preset in prop::sample::select(&Preset::ALL[..]), step in 1_u32..20,
    ) {
        let bands = preset.bands();
        let mut band = 0;
        let up = (0..30_000).step_by(step as usize);
        for ohms in up.clone().chain(up.rev()) {
            let next = bands.band(Ohms(ohms), Some(band));
            prop_assert!(next.abs_diff(band) <= 1, "{band} to {next} at {ohms}");
            band = next;
        }
        prop_assert_eq!(band, 0);
    }

    /// Noise of less than 3 % of the normal resistance around any value, edges included, is at
    /// most one change: into the band that the value came for.
    #[test]
    fn noise_around_any_resistance_does_not_flutter(
        preset in prop::sample::select(&Preset::ALL[..]),
        ohms in 500_u32..25_000, from in 0_usize..8,
        noise in prop::collection::vec(-1.0_f64..1.0, 2..100),
    ) {
        let bands = preset.bands();
        let margin = f64::from(bands.nominal().0) * 0.029;
        let mut band = bands.band(Ohms(ohms), Some(from));
        let mut changes = 0;
        for part in noise {
            let noisy = f64::from(ohms) + part * margin;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range")]
            let next = bands.band(Ohms(noisy as u32), Some(band));
            changes += usize::from(next != band);
            band = next;
        }
        prop_assert!(changes <= 1, "{changes} changes");
    }

    /// A band that was settled is left for the raw band of the value, or the one beside it.
    #[test]
    fn hysteresis_is_at_most_one_band(
        preset in prop::sample::select(&Preset::ALL[..]), ohms in any::<u32>(), from in 0_usize..8,
    ) {
        let bands = preset.bands();
        let (raw, with) = (bands.band(Ohms(ohms), None), bands.band(Ohms(ohms), Some(from)));
        prop_assert!(raw.abs_diff(with) <= 1);
    }
}
