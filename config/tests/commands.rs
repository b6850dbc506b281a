//! What the district may command, as the rules and the daemon get it.

use gatehouse_config::Config;
use gatehouse_core::commands::{Lowering, Lowerings, USUAL_ROLE, Verb, Verbs};

const HEAD: &str = "[gateway]\nid = \"g\"\ndistrict = \"d\"\nsite = \"s\"\n\
                    [[broker]]\nid = \"b\"\nhost = \"localhost\"\n";

fn good(tables: &str) -> Config {
    Config::parse(&format!("{HEAD}{tables}"), "good.toml").unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn without_a_word_there_is_one_role_and_nothing_that_lowers_protection() {
    let rights = good("").site().commands;
    let [role] = &rights.roles[..] else { panic!("{rights:?}") };
    assert_eq!((role.id.as_str(), role.verbs), (USUAL_ROLE, Verbs::ALL));
    assert_eq!((rights.lowering, rights.signed), (Lowerings::default(), false));
    assert!(!rights.allows(Verb::Disarm) && rights.allows(Verb::Arm));
}

#[test]
fn what_is_written_takes_its_place() {
    let public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    let config = good(&format!(
        "[commands]\nallow = [\"disarm\", \"output\"]\nsigned = \"required\"\n\
         [[command-role]]\nid = \"guard\"\nverbs = [\"arm\", \"config.get\"]\n\
         [[command-key]]\nid = \"op-7\"\nrole = \"guard\"\npublic = \"{public}\"\n"
    ));
    let rights = config.site().commands;
    let [role] = &rights.roles[..] else { panic!("{rights:?}") };
    assert_eq!(role.verbs, Verbs::of([Verb::Arm, Verb::ConfigGet]));
    assert_eq!(rights.lowering, Lowerings::of([Lowering::Disarm, Lowering::Output]));
    assert!(rights.signed && rights.role("operator").is_none());
    let [key] = &config.commands.keys[..] else { panic!("{:?}", config.commands) };
    assert_eq!((key.id.as_str(), key.role.as_str()), ("op-7", "guard"));
    assert_eq!((key.public[0], key.public[31]), (0xd7, 0x1a));
}
