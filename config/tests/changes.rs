//! Steps of changes on files as people write them, and on random ones.

use gatehouse_config::Config;
use gatehouse_config::change::{ChangeError, Edit, Plain, change, changed_places, place, plain};
use proptest::prelude::*;
use toml::{Table, Value};

const COMMUNITY: &str = include_str!("../examples/community.toml");
const COMPOUND: &str = include_str!("../examples/compound.toml");
const COMMENTED: &str = include_str!("../gateway.toml");

fn at(text: &str) -> Vec<String> {
    place(text).expect("a place of the test")
}

fn set(place: &str, typed: &str) -> Edit {
    let at = at(place);
    Edit::Set { value: plain(&at, typed), at }
}

#[test]
fn a_name_is_changed_in_its_place_and_all_that_people_wrote_stays() {
    let text = "# Willow Court\n\n[[door]] # front\nid = \"lobby\"\nname = 'Door' # by the stairs\n\
                input = \"sim:0\"\n#chime = true\n\n# The yard.\n[[door]]\nid = \"yard\"\ninput = \"sim:1\"\n\
                # end\n";
    let edits = [
        set("door.lobby.name", "Lobby \"A\" 大厅"),
        set("door.yard.name", "Yard"),
        set("door.yard.held-open-s", "30"),
    ];
    let wanted = text
        .replace("'Door'", "'Lobby \"A\" 大厅'")
        .replace("\"sim:1\"\n", "\"sim:1\"\nname = \"Yard\"\nheld-open-s = 30\n");
    assert_eq!(change(text, &edits).unwrap(), wanted);
}

#[test]
fn what_is_typed_is_what_the_key_holds() {
    let typed = |place: &str, text: &str| plain(&at(place), text);
    assert_eq!(typed("door.lobby.name", "12"), Plain::from("12"), "a name of digits is a text");
    assert_eq!(typed("door.lobby.name", "\"12\""), Plain::from("12"));
    assert_eq!(typed("door.lobby.held-open-s", "12"), Plain::Whole(12));
    assert_eq!(typed("door.lobby.chime", "true"), Plain::Bool(true));
    let days = Plain::List(vec![Plain::from("monday")]);
    assert_eq!(typed("schedule.night.days", "[\"monday\"]"), days);
    assert_eq!(typed("schedule.night.arm-at", "22:30"), Plain::from("22:30"));
    assert_eq!(typed("broker.main.tls.ca", "/etc/ca.pem"), Plain::from("/etc/ca.pem"));
}

#[test]
fn an_entry_is_added_behind_the_others_and_taken_out_with_its_own_comment() {
    let text = "# Of the site.\n\n# Shop hours.\n[[schedule]]\nid = \"shop\"\npartition = \"shop\"\n\
                disarm-at = \"07:00\"\n\n# ── Brokers ──\n\n# The one in town.\n[[broker]]\nid = \"b\"\n";
    let entry = [("id", "night"), ("partition", "shop"), ("arm-at", "22:00")];
    let entry = entry.map(|(key, text)| (key.to_owned(), Plain::from(text))).into();
    let add = Edit::Add { at: vec!["schedule".into()], entry };
    let added = change(text, std::slice::from_ref(&add)).unwrap();
    let night = "\n[[schedule]]\nid = \"night\"\npartition = \"shop\"\narm-at = \"22:00\"\n";
    assert_eq!(added, text.replace("\n# ── Brokers", &format!("{night}\n# ── Brokers")));
    let again = ChangeError::There { table: "schedule".into(), id: "night".into() };
    assert_eq!(change(&added, &[add]), Err(again));
    let gone = change(&added, &[Edit::Remove { at: at("schedule.shop") }]).unwrap();
    assert!(gone.starts_with("# Of the site.\n\n\n[[schedule]]\nid = \"night\""), "{gone}");
    assert!(!gone.contains("Shop hours"), "{gone}");
    let gone = change(&gone, &[Edit::Remove { at: at("schedule.night") }]).unwrap();
    assert!(gone.contains("# Of the site.") && gone.contains("# ── Brokers ──"), "{gone}");
    let last = change(&gone, &[Edit::Remove { at: at("broker.b") }]).unwrap();
    assert!(last.contains("# Of the site.") && !last.contains("in town"), "{last}");
}

#[test]
fn a_step_that_cannot_be_made_says_what_there_is() {
    let text = "[gateway]\nid = \"g\"\n[[door]]\nid = \"lobby\"\n[[door]]\nid = \"yard\"\n\
                zone = [{ id = \"z\" }]\n";
    let told = |edit| change(text, &[edit]).unwrap_err().to_string();
    assert_eq!(told(set("door.loby.name", "x")), "there is no door `loby`; there are lobby, yard");
    assert_eq!(told(set("camera.gate.name", "x")), "there is no camera `gate`; there is none");
    assert_eq!(told(set("gateway.id.name", "x")), "`gateway.id` is a key, not a table");
    assert_eq!(told(set("door.lobby", "x")), "`door` is repeated: name the id of one of them");
    assert_eq!(told(set("dor.lobby", "x")), "there is no `dor` in the configuration");
    let unset = Edit::Unset { at: at("door.lobby.name") };
    assert_eq!(told(unset), "there is no `door.lobby.name` in the configuration");
    assert_eq!(change("[[door]", &[]), Err(ChangeError::Unreadable));
    for wrong in ["door", "door..name", "Door.x.name", "door.a b.name", &"a.".repeat(9)] {
        assert_eq!(place(wrong), Err(ChangeError::NoPlace(wrong.to_owned())));
    }
}

#[test]
fn a_table_that_was_not_there_is_made_for_its_key() {
    let changed = change(COMMUNITY, &[set("page.listen", "0.0.0.0:8443")]).unwrap();
    assert!(changed.contains("\n[page]\nlisten = \"0.0.0.0:8443\"\n"), "{changed}");
    assert!(Config::parse(&changed, "x").unwrap().page.is_some());
}

/// Tables that stand once, and so are made where they are missing.
const ONCE: [&str; 7] = ["gateway", "uplink", "page", "log", "journal", "keep-days", "tls"];

/// What a step means, on the values alone.
fn model(root: &mut Table, edit: &Edit) -> Option<()> {
    fn walk<'t>(mut table: &'t mut Table, at: &[String], make: bool) -> Option<&'t mut Table> {
        let mut rest = at;
        while let [name, more @ ..] = rest {
            if !table.contains_key(name) {
                if !make || !ONCE.contains(&name.as_str()) {
                    return None;
                }
                table.insert(name.clone(), Value::Table(Table::new()));
            }
            rest = more;
            table = match table.get_mut(name)? {
                Value::Table(within) => within,
                Value::Array(list) => {
                    let (id, more) = rest.split_first()?;
                    rest = more;
                    let of = |one: &Value| one.get("id").and_then(Value::as_str) == Some(id);
                    list.iter_mut().find(|one| of(one))?.as_table_mut()?
                }
                _ => return None,
            };
        }
        Some(table)
    }
    fn of(value: &Plain) -> Value {
        match value {
            Plain::Bool(is) => (*is).into(),
            Plain::Whole(n) => (*n).into(),
            Plain::Real(n) => (*n).into(),
            Plain::Text(text) => text.as_str().into(),
            Plain::List(list) => Value::Array(list.iter().map(of).collect()),
        }
    }
    match edit {
        Edit::Set { at, value } => {
            let (key, before) = at.split_last()?;
            walk(root, before, true)?.insert(key.clone(), of(value));
        }
        Edit::Unset { at } => {
            let (key, before) = at.split_last()?;
            walk(root, before, false)?.remove(key)?;
        }
        Edit::Add { at, entry } => {
            let (name, before) = at.split_last()?;
            let holder = walk(root, before, false)?;
            let list = holder.entry(name.clone()).or_insert(Value::Array(vec![]));
            let entry = entry.iter().map(|(key, value)| (key.clone(), of(value)));
            list.as_array_mut()?.push(Value::Table(entry.collect()));
        }
        Edit::Remove { at } => {
            let (id, before) = at.split_last()?;
            let (name, before) = before.split_last()?;
            let holder = walk(root, before, false)?;
            let list = holder.get_mut(name)?.as_array_mut()?;
            let of = |one: &Value| one.get("id").and_then(Value::as_str) == Some(id);
            let place = list.iter().position(of)?;
            list.remove(place);
            if list.is_empty() {
                holder.remove(name);
            }
        }
    }
    Some(())
}

fn comments(text: &str) -> Vec<&str> {
    let mut all: Vec<_> =
        text.lines().map(str::trim).filter(|line| line.starts_with('#')).collect();
    all.sort_unstable();
    all
}

fn steps() -> impl Strategy<Value = Vec<Edit>> {
    let word = prop::sample::select(
        &[
            "door.gate-in.name",
            "door.b1-garage.held-open-s",
            "zone.hall.name",
            "gateway.time-zone",
            "broker.main.host",
            "broker.main.port",
            "broker.main.tls.ca",
            "uplink.heartbeat-s",
            "partition.shop.name",
            "page.listen",
            "log.level",
            "schedule.n1.arm-at",
            "schedule.n2.days",
            "camera.gate.name",
            "journal.keep-days.access",
        ][..],
    );
    let value = prop_oneof![
        any::<bool>().prop_map(Plain::Bool),
        any::<i64>().prop_map(Plain::Whole),
        (-1e9..1e9).prop_map(Plain::Real),
        any::<String>().prop_map(Plain::Text),
        prop::collection::vec("[^\\p{C}]{0,9}".prop_map(Plain::Text), 0..4).prop_map(Plain::List),
    ];
    let table = prop::sample::select(&["door", "zone", "schedule", "holiday", "broker"][..]);
    let id = prop::sample::select(&["gate-in", "b1-garage", "main", "n1", "n2", "n3"][..]);
    let one = prop_oneof![
        4 => (word.clone(), value.clone()).prop_map(|(word, value)| Edit::Set { at: at(word), value }),
        1 => word.prop_map(|word| Edit::Unset { at: at(word) }),
        2 => (table.clone(), id.clone(), value).prop_map(|(table, id, value)| {
            let entry = [("id".to_owned(), Plain::from(id)), ("name".to_owned(), value)];
            Edit::Add { at: vec![table.to_owned()], entry: entry.into() }
        }),
        1 => (table, id).prop_map(|(table, id)| Edit::Remove { at: vec![table.into(), id.into()] }),
    ];
    prop::collection::vec(one, 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]

    #[test]
    fn whatever_is_changed_the_file_says_just_that_and_keeps_its_comments(
        base in prop::sample::select(&[COMMUNITY, COMPOUND, COMMENTED][..]),
        edits in steps(),
    ) {
        let mut text = base.to_owned();
        let mut wanted: Table = text.parse().unwrap();
        let mut removed = false;
        for edit in &edits {
            let changed = change(&text, std::slice::from_ref(edit));
            let mut then = wanted.clone();
            if let Edit::Add { at, entry } = edit
                && let Some(Value::Array(list)) = wanted.get(&at[0])
                && let Some(Plain::Text(id)) = entry.get("id")
                && list.iter().any(|one| one.get("id").and_then(Value::as_str) == Some(id))
            {
                prop_assert!(matches!(changed, Err(ChangeError::There { .. })), "{changed:?}");
                continue;
            }
            match (model(&mut then, edit), changed) {
                (Some(()), Ok(now)) => {
                    prop_assert_eq!(&now.parse::<Table>().unwrap(), &then, "{:?}\n{}", edit, now);
                    let places = changed_places(&text, &now).unwrap();
                    prop_assert_eq!(places.is_empty(), then == wanted, "{:?}: {:?}", edit, places);
                    removed |= matches!(edit, Edit::Remove { .. } | Edit::Unset { .. });
                    (text, wanted) = (now, then);
                }
                (None, Err(_)) => {}
                (meant, got) => prop_assert!(false, "{edit:?}: {meant:?}, but {got:?}"),
            }
        }
        if !removed {
            prop_assert_eq!(comments(&text), comments(base));
        }
        // Whatever it says now, it is judged and not guessed at.
        let _ = Config::parse(&text, "changed.toml");
    }
}

#[test]
fn what_differs_is_named_by_places_without_values() {
    let before =
        "[gateway]\nid = \"g\"\n[[door]]\nid = \"a\"\nname = \"A\"\n[[door]]\nid = \"b\"\n";
    let places = |after: &str| changed_places(before, after).unwrap().join(" ");
    assert_eq!(places(before), "");
    assert_eq!(places(&before.replace("\"A\"", "\"B\"")), "door.a.name");
    assert_eq!(places(&format!("# more\n{before}[[zone]]\nid = \"z\"\n[log]\n")), "log zone.z");
    let swapped =
        "[gateway]\nid = \"g\"\n[[door]]\nid = \"b\"\n[[door]]\nid = \"a\"\nname = \"A\"\n";
    assert_eq!(places(swapped), "door");
    assert_eq!(places("[gateway]\nid = \"h\"\n"), "door.a door.b gateway.id");
    assert_eq!(changed_places(before, "[["), None);
}
