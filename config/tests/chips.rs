//! Buses, chips and supervised loops: what the rules and the units are given.
#![expect(clippy::format_push_string, reason = "files are put together, once")]

use std::time::Duration;

use gatehouse_config::{ChipKind, Config, Device, Loop, LoopSupply, Measures, Power};

const HEAD: &str = "[gateway]\nid = \"g\"\ndistrict = \"d\"\nsite = \"s\"\n[[broker]]\nid = \"b\"\n\
                    host = \"b.example\"\n[sim]\nsocket = \"/run/world.sock\"\n";

fn good(text: &str) -> Config {
    Config::parse(&format!("{HEAD}{text}"), "x").unwrap_or_else(|errors| panic!("{errors}"))
}

fn mistakes(text: &str) -> String {
    Config::parse(&format!("{HEAD}{text}"), "x").expect_err("a mistake").to_string()
}

const CHIPS: &str = r#"
[[bus]]
id = "i2c-1"
device = "/dev/i2c-1"
fault-hold-off-s = 3
[[bus]]
id = "loops"
device = "/dev/spidev0.1"
[[chip]]
id = "exp1"
bus = "i2c-1"
kind = "pcf8574"
address = 0x38
interrupt = "gpiochip0:4"
[[chip]]
id = "adc1"
bus = "loops"
kind = "mcp3208"
pull-up-ohms = 2200
[[chip]]
id = "adc2"
bus = "i2c-1"
kind = "ads1015"
supply-input = 0
loop-supply = "5v"
[[chip]]
id = "mains"
bus = "i2c-1"
kind = "ina226"
lost-below-mv = 13000
[[chip]]
id = "cabinet"
bus = "i2c-1"
kind = "sht3x"
too-cold-c = -10
hold-off-s = 5
[[chip]]
id = "hall"
bus = "i2c-1"
kind = "amg8833"
[[door]]
id = "lobby"
input = "exp1:7"
[[door]]
id = "cellar"
input = "adc1:7"
loop = "custom"
end-ohms = 3300
alarm-ohms = 4700
[[zone]]
id = "pir"
kind = "24h"
input = "adc2:3"
loop = "maxpro-1k-1k-3k"
[[zone]]
id = "person"
kind = "24h"
input = "hall:0"
contact = "normally-open"
"#;

#[test]
fn a_chip_is_a_bus_of_its_own_to_the_rules_and_hangs_on_its_bus() {
    let config = good(CHIPS);
    let site = config.site();
    let ids: Vec<_> = site.buses.iter().map(|bus| bus.id.as_str()).collect();
    assert_eq!(ids, ["i2c-1", "loops", "exp1", "adc1", "adc2", "mains", "cabinet", "hall"]);
    let on: Vec<_> = site.buses.iter().map(|bus| bus.on).collect();
    assert_eq!(on[..5], [None, None, Some(0), Some(1), Some(0)]);
    let hold_off: Vec<_> = site.buses.iter().map(|bus| bus.hold_off.as_secs()).collect();
    assert_eq!(hold_off, [3, 10, 3, 10, 3, 3, 3, 3]);
    let doors: Vec<_> = site.doors.iter().map(|door| door.bus).collect();
    assert_eq!(doors, [Some(2), Some(3)]);
    assert_eq!(site.zones.iter().map(|zone| zone.bus).collect::<Vec<_>>(), [Some(4), Some(7)]);
    // A presence sensor learns before it speaks.
    let waits: Vec<_> = site.zones.iter().map(|zone| zone.hold_off.as_secs()).collect();
    assert_eq!(waits, [10, 45]);
}

#[test]
fn chips_have_the_usual_where_nothing_is_said() {
    let config = good(CHIPS);
    assert_eq!(config.buses[1].device, Device::Spi("/dev/spidev0.1".into()));
    let [exp1, adc1, adc2, mains, cabinet, hall] = &config.chips[..] else { panic!() };
    assert_eq!((exp1.kind, exp1.address), (ChipKind::Pcf8574, 0x38));
    assert_eq!(exp1.poll, Duration::from_secs(1), "its interrupt is wired");
    assert_eq!((adc2.address, hall.address), (0x48, 0x68), "the lowest");
    let loops = |pull_up, supply_input, supply| Measures::Loops { pull_up, supply_input, supply };
    assert_eq!(adc1.measures, loops(Some(2200), 3, LoopSupply::V3_3));
    assert_eq!(adc2.measures, loops(None, 0, LoopSupply::V5));
    let hold = Duration::from_secs(30);
    let power = Measures::Power { shunt_milliohms: 100, of: Power::Supply(13_000), hold };
    assert_eq!(mains.measures, power);
    let hold = Duration::from_secs(5);
    assert_eq!(cabinet.measures, Measures::Temperature { high: None, low: Some(-10), hold });
    assert_eq!(config.doors[0].supervised, None);
    let custom = Loop::Custom { end: 3300, contact: Some(4700) };
    assert_eq!(config.doors[1].supervised, Some(custom));
    assert_eq!(config.zones[0].supervised, Some(Loop::Preset("maxpro-1k-1k-3k")));
}

#[test]
fn four_expanders_carry_64_zones() {
    let mut text = "[[bus]]\nid = \"x\"\ndevice = \"sim\"\n".to_owned();
    for chip in 0..4 {
        text += &format!(
            "[[chip]]\nid = \"e{chip}\"\nbus = \"x\"\nkind = \"mcp23017\"\naddress = {}\n",
            0x20 + chip
        );
        for line in 0..16 {
            text += &format!(
                "[[zone]]\nid = \"z{chip}-{line}\"\nkind = \"24h\"\ninput = \"e{chip}:{line}\"\n"
            );
        }
    }
    let config = good(&text);
    assert_eq!(config.zones.len(), 64);
    assert_eq!(config.chips.iter().map(|chip| chip.poll.as_millis()).max(), Some(25));
}

#[test]
fn one_bus_measures_three_loops_of_an_ads1115_and_not_four() {
    let loops = |second: u32| {
        let mut text = "[[bus]]\nid = \"x\"\ndevice = \"/dev/i2c-1\"\n".to_owned();
        for (chip, inputs) in [(0, 3), (1, second)] {
            text += &format!(
                "[[chip]]\nid = \"a{chip}\"\nbus = \"x\"\nkind = \"ads1115\"\naddress = {}\n",
                0x48 + chip
            );
            for input in 0..inputs {
                text += &format!(
                    "[[zone]]\nid = \"z{chip}-{input}\"\nkind = \"24h\"\n\
                     input = \"a{chip}:{input}\"\nloop = \"3k3-6k8\"\n"
                );
            }
        }
        text
    };
    good(&loops(0));
    let told = mistakes(&loops(1));
    assert!(told.contains("would take 112 ms of each 100 ms"), "{told}");
}

#[test]
fn chips_with_one_interrupt_line_share_it_and_nobody_else_has_it() {
    let chips = "[[bus]]\nid = \"x\"\ndevice = \"/dev/i2c-1\"\n\
                 [[chip]]\nid = \"a\"\nbus = \"x\"\nkind = \"mcp23017\"\ninterrupt = \"c:1\"\n\
                 [[chip]]\nid = \"b\"\nbus = \"x\"\nkind = \"mcp23017\"\naddress = 0x21\n\
                 interrupt = \"c:1\"\n";
    good(chips);
    let told = mistakes(&format!("{chips}[[door]]\nid = \"d\"\ninput = \"c:1\"\n"));
    assert!(told.contains("the line c:1 is used twice"), "{told}");
}

#[test]
fn only_a_door_or_a_zone_is_a_supervised_loop() {
    let told = mistakes(
        "[[bus]]\nid = \"x\"\ndevice = \"/dev/i2c-1\"\n\
         [[chip]]\nid = \"a\"\nbus = \"x\"\nkind = \"ads1015\"\n\
         [[partition]]\nid = \"p\"\n\
         [[key-switch]]\nid = \"k\"\ninput = \"a:1\"\npartition = \"p\"\n",
    );
    assert!(told.contains("a:1 is an input for supervised loops, which only"), "{told}");
}
