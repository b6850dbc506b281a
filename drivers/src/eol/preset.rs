//! The tables of common control panels, so that a community keeps the resistors it has.

use super::LoopState::{Alarm, Fault, HighR, LowR, Masked, Normal, Open, Short};
use super::{Bands, LoopState, Ohms};

/// A table of resistances, by the panel that it comes from and its resistors.
///
/// "Double" is one resistor at the end and one across the contact; "single" only one at the end.
/// Use resistors of 1 % and cable of at most 100 ohm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Preset {
    /// Honeywell Galaxy, double 1 kohm.
    GalaxyDouble1k,
    /// Honeywell Galaxy, double 2.2 kohm.
    GalaxyDouble2k2,
    /// Honeywell Galaxy, double 4.7 kohm.
    GalaxyDouble4k7,
    /// Honeywell Galaxy, double 5.6 kohm.
    GalaxyDouble5k6,
    /// Honeywell Galaxy, 1 kohm with fault: 1 kohm, 1 kohm across alarm, 3 kohm across fault.
    GalaxyFault1k,
    /// Honeywell MAXPRO, single 2 kohm.
    MaxproSingle2k,
    /// Honeywell MAXPRO, double 1 kohm.
    MaxproDouble1k,
    /// Honeywell MAXPRO, double 2 kohm.
    MaxproDouble2k,
    /// Honeywell MAXPRO, 2.2 kohm at the end, 4.7 kohm across the contact.
    MaxproDouble2k2And4k7,
    /// Honeywell MAXPRO, double 4.7 kohm.
    MaxproDouble4k7,
    /// Honeywell MAXPRO, triple: 1 kohm, 1 kohm across alarm, 3 kohm across trouble.
    MaxproTriple1k,
    /// Bosch AMAX, single 2.2 kohm.
    AmaxSingle2k2,
    /// Bosch AMAX, double 2.2 kohm.
    AmaxDouble2k2,
    /// DSC, single 5.6 kohm.
    DscSingle5k6,
    /// 3.3 kohm at the end, 6.8 kohm across the contact.
    Double3k3And6k8,
}

/// A table of ours that is wrong does not compile.
const fn table(nominal: u32, above: &[(Ohms, LoopState)]) -> Bands {
    match Bands::new(Ohms(nominal), Short, above) {
        Ok(bands) => bands,
        Err(_) => panic!("a preset is not a valid table"),
    }
}

// Honeywell Galaxy GX installation guide, double balanced zones. All tables have low and high
// resistance warnings on either side of normal.
const GALAXY_1K: Bands = table(
    1_000,
    &[
        (Ohms(800), LowR),
        (Ohms(900), Normal),
        (Ohms(1_200), HighR),
        (Ohms(1_300), Alarm),
        (Ohms(12_000), Masked),
        (Ohms(19_000), Open),
    ],
);
const GALAXY_2K2: Bands = table(
    2_200,
    &[
        (Ohms(1_800), LowR),
        (Ohms(2_000), Normal),
        (Ohms(2_500), HighR),
        (Ohms(2_700), Alarm),
        (Ohms(12_000), Masked),
        (Ohms(15_000), Open),
    ],
);
const GALAXY_4K7: Bands = table(
    4_700,
    &[
        (Ohms(3_700), LowR),
        (Ohms(4_200), Normal),
        (Ohms(5_500), HighR),
        (Ohms(6_500), Alarm),
        (Ohms(19_000), Masked),
        (Ohms(22_000), Open),
    ],
);
const GALAXY_5K6: Bands = table(
    5_600,
    &[
        (Ohms(1_400), LowR),
        (Ohms(2_800), Normal),
        (Ohms(8_400), HighR),
        (Ohms(9_800), Alarm),
        (Ohms(12_600), Masked),
        (Ohms(22_000), Open),
    ],
);
const GALAXY_FAULT_1K: Bands = table(
    1_000,
    &[
        (Ohms(800), LowR),
        (Ohms(900), Normal),
        (Ohms(1_200), HighR),
        (Ohms(1_300), Alarm),
        (Ohms(3_500), Fault),
        (Ohms(4_500), Masked),
        (Ohms(19_000), Open),
    ],
);

// Honeywell MAXPRO Intrusion MPIP2000/3000, installation and setup guide 800-23044, 3.8.2. What it
// calls ready is normal, trouble is fault.
const MAXPRO_SINGLE_2K: Bands = table(2_000, &[(Ohms(1_000), Normal), (Ohms(3_000), Open)]);
const MAXPRO_1K: Bands =
    table(1_000, &[(Ohms(800), Normal), (Ohms(1_500), Alarm), (Ohms(12_000), Open)]);
const MAXPRO_2K: Bands =
    table(2_000, &[(Ohms(1_500), Normal), (Ohms(3_000), Alarm), (Ohms(15_000), Open)]);
const MAXPRO_2K2: Bands =
    table(2_200, &[(Ohms(1_500), Normal), (Ohms(3_000), Alarm), (Ohms(15_000), Open)]);
const MAXPRO_4K7: Bands =
    table(4_700, &[(Ohms(4_000), Normal), (Ohms(6_000), Alarm), (Ohms(12_000), Open)]);
const MAXPRO_TRIPLE: Bands = table(
    1_000,
    &[
        (Ohms(800), Normal),
        (Ohms(1_800), Alarm),
        (Ohms(2_500), Fault),
        (Ohms(4_500), Masked),
        (Ohms(10_000), Open),
    ],
);

// Bosch AMAX 2100/3000/4000 installation manual: tamper to 1430, normal 1650 to 2750, triggered
// 2970 to 4950, tamper from 5220. The two holes beside normal are what others call low and high
// resistance; the edge in the third hole is its middle.
const AMAX_SINGLE_2K2: Bands = table(
    2_200,
    &[(Ohms(1_430), LowR), (Ohms(1_650), Normal), (Ohms(2_750), HighR), (Ohms(2_970), Open)],
);
const AMAX_DOUBLE_2K2: Bands = table(
    2_200,
    &[
        (Ohms(1_430), LowR),
        (Ohms(1_650), Normal),
        (Ohms(2_750), HighR),
        (Ohms(2_970), Alarm),
        (Ohms(5_085), Open),
    ],
);

// No table was found for these two. The edges are the AMAX table's in parts of the normal
// resistance: 65, 75, 125 and 135 %, and 115.5 % of the sum of both resistors.
const DSC_SINGLE_5K6: Bands = table(
    5_600,
    &[(Ohms(3_640), LowR), (Ohms(4_200), Normal), (Ohms(7_000), HighR), (Ohms(7_560), Open)],
);
const DOUBLE_3K3_6K8: Bands = table(
    3_300,
    &[
        (Ohms(2_145), LowR),
        (Ohms(2_475), Normal),
        (Ohms(4_125), HighR),
        (Ohms(4_455), Alarm),
        (Ohms(11_670), Open),
    ],
);

impl Preset {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::GalaxyDouble1k,
        Self::GalaxyDouble2k2,
        Self::GalaxyDouble4k7,
        Self::GalaxyDouble5k6,
        Self::GalaxyFault1k,
        Self::MaxproSingle2k,
        Self::MaxproDouble1k,
        Self::MaxproDouble2k,
        Self::MaxproDouble2k2And4k7,
        Self::MaxproDouble4k7,
        Self::MaxproTriple1k,
        Self::AmaxSingle2k2,
        Self::AmaxDouble2k2,
        Self::DscSingle5k6,
        Self::Double3k3And6k8,
    ];

    /// Its name in a configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::GalaxyDouble1k => "galaxy-1k",
            Self::GalaxyDouble2k2 => "galaxy-2k2",
            Self::GalaxyDouble4k7 => "galaxy-4k7",
            Self::GalaxyDouble5k6 => "galaxy-5k6",
            Self::GalaxyFault1k => "galaxy-1k-fault",
            Self::MaxproSingle2k => "maxpro-single-2k",
            Self::MaxproDouble1k => "maxpro-1k-1k",
            Self::MaxproDouble2k => "maxpro-2k-2k",
            Self::MaxproDouble2k2And4k7 => "maxpro-2k2-4k7",
            Self::MaxproDouble4k7 => "maxpro-4k7-4k7",
            Self::MaxproTriple1k => "maxpro-1k-1k-3k",
            Self::AmaxSingle2k2 => "amax-single-2k2",
            Self::AmaxDouble2k2 => "amax-2k2-2k2",
            Self::DscSingle5k6 => "dsc-single-5k6",
            Self::Double3k3And6k8 => "3k3-6k8",
        }
    }

    /// The preset of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|preset| preset.name() == name)
    }

    /// Its table.
    pub const fn bands(self) -> Bands {
        match self {
            Self::GalaxyDouble1k => GALAXY_1K,
            Self::GalaxyDouble2k2 => GALAXY_2K2,
            Self::GalaxyDouble4k7 => GALAXY_4K7,
            Self::GalaxyDouble5k6 => GALAXY_5K6,
            Self::GalaxyFault1k => GALAXY_FAULT_1K,
            Self::MaxproSingle2k => MAXPRO_SINGLE_2K,
            Self::MaxproDouble1k => MAXPRO_1K,
            Self::MaxproDouble2k => MAXPRO_2K,
            Self::MaxproDouble2k2And4k7 => MAXPRO_2K2,
            Self::MaxproDouble4k7 => MAXPRO_4K7,
            Self::MaxproTriple1k => MAXPRO_TRIPLE,
            Self::AmaxSingle2k2 => AMAX_SINGLE_2K2,
            Self::AmaxDouble2k2 => AMAX_DOUBLE_2K2,
            Self::DscSingle5k6 => DSC_SINGLE_5K6,
            Self::Double3k3And6k8 => DOUBLE_3K3_6K8,
        }
    }
}
