//! The challenge test, on a bench without wires.

use serde_json::json;

use super::*;

fn bench() -> (SiteConfig, House) {
    let loop_out = OutputConfig::new(id("loop"), Role::Other, "sim:9".to_owned());
    let challenge = ChallengeConfig {
        output: 0,
        driver: "sim:10".to_owned(),
        pulse: Duration::from_millis(500),
        within: Duration::from_secs(5),
    };
    let config = SiteConfig { challenge: Some(challenge), ..flat(vec![], vec![loop_out]) };
    let mut house = House::new(&config);
    house.loop_back(Condition::Normal);
    (config, house)
}

impl House {
    fn loop_back(&mut self, condition: Condition) -> Vec<String> {
        self.put(Input::LoopBack { condition, at: self.at() })
    }

    fn output(&mut self, does: Does) -> Vec<String> {
        self.put(Input::Output { output: 0, does, fault: None, at: self.at() })
    }

    fn challenge(&mut self) -> Vec<String> {
        self.want(Verb::Challenge { nonce: "n-17".to_owned() })
    }

    fn detail(&self) -> &serde_json::Value {
        self.told.last().unwrap().detail.as_ref().unwrap()
    }
}

const FAILED: Option<Answer> =
    Some(Answer::Refused { reason: Refusal::Failed, blockers: Vec::new() });

#[test]
fn a_nonce_comes_back_with_the_time_of_each_hop() {
    let (_, mut bench) = bench();
    assert!(bench.challenge().is_empty());
    assert_eq!((bench.on[0], &bench.answer), (true, &None), "its answer is its outcome");
    bench.ms += 2;
    bench.output(Does::On);
    bench.ms += 60;
    assert!(bench.loop_back(Condition::Active).is_empty(), "no alarm");
    bench.ms += 440;
    bench.output(Does::Off);
    bench.ms += 60;
    assert_eq!(bench.loop_back(Condition::Normal), ["loop challenge.passed"]);
    assert_eq!(bench.answer, Some(Answer::Done));
    let hops = json!({ "switched": 2_000, "seen": 62_000, "calm": 562_000 });
    assert_eq!((&bench.detail()["nonce"], &bench.detail()["hops_us"]), (&json!("n-17"), &hops));
    let told = bench.told.last().unwrap();
    assert!(told.test && told.class == crate::event::Class::Test);
    assert!(bench.site.next_deadline().is_none() && !bench.kept.contains_key("challenge/running"));
}

#[test]
fn a_cut_wire_fails_in_time_and_says_how_far_it_came() {
    for (does, cause) in
        [(Some(Does::On), "the input did not follow"), (None, "the output was not switched")]
    {
        let (_, mut bench) = bench();
        bench.challenge();
        if let Some(does) = does {
            bench.output(does);
        }
        bench.ms = 6_000;
        assert_eq!(bench.put(Input::Tick), ["loop challenge.failed"]);
        assert_eq!(bench.told.last().unwrap().cause.as_deref(), Some(cause));
        assert_eq!((bench.answer.take(), bench.on[0]), (FAILED, false));
    }
    let (_, mut bench) = bench();
    bench.challenge();
    bench.loop_back(Condition::Active);
    bench.ms = 6_000;
    bench.put(Input::Tick);
    let cause = bench.told.last().unwrap().cause.as_deref();
    assert_eq!(cause, Some("the input did not become normal again"));
}

#[test]
fn an_input_that_is_not_at_rest_fails_at_once_and_nothing_is_switched() {
    for condition in [Condition::Active, Condition::Unknown] {
        let (_, mut bench) = bench();
        bench.loop_back(condition);
        assert_eq!(bench.challenge(), ["loop challenge.failed"]);
        assert_eq!((bench.answer.take(), bench.on[0]), (FAILED, false));
    }
}

#[test]
fn one_at_a_time_none_where_the_site_has_none_and_none_late() {
    let refused = |reason| Some(Answer::Refused { reason, blockers: Vec::new() });
    let (_, mut bench) = bench();
    bench.challenge();
    bench.challenge();
    assert_eq!(bench.answer.take(), refused(Refusal::Busy));
    let mut plain = House::new(&flat(vec![], vec![]));
    plain.challenge();
    assert_eq!(plain.answer.take(), refused(Refusal::NotAllowed));
    let (_, mut late) = self::bench();
    let verb = Verb::Challenge { nonce: String::new() };
    let command = Command { id: 7, via: Via::District, actor: None, verb, at: late.at() };
    late.ms += 5_001;
    late.put(Input::Command(command));
    assert_eq!(late.answer.take(), refused(Refusal::Late));
}

#[test]
fn a_challenge_that_a_restart_cuts_off_has_failed() {
    let (config, mut bench) = bench();
    bench.challenge();
    let after = bench.restarted(&config, "boot", 2_000);
    let told = after.told.last().unwrap();
    assert_eq!((&*told.kind, told.cause.as_deref()), ("challenge.failed", Some("restart")));
    assert_eq!(after.detail()["nonce"], "n-17");
    assert!(!after.kept.contains_key("challenge/running") && !after.on[0]);
}
