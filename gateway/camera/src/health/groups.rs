//! Cameras that went together are one fault: a switch, a supply, a cable.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gatehouse_core::time::Mono;

/// When cameras of a group are one fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupSettings {
    /// So many at least. Below two, two.
    pub least: usize,
    /// Within so long. Each single loss of a camera in a group is told so much later.
    pub window: Duration,
}

impl Default for GroupSettings {
    fn default() -> Self {
        // Hold-offs of cameras that died in one instant end within their sources' limits.
        Self { least: 3, window: Duration::from_secs(15) }
    }
}

/// What is told in place of single losses and restores. Names of cameras are sorted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// One camera was lost.
    Lost {
        /// Which.
        camera: String,
    },
    /// It is back.
    Restored {
        /// Which.
        camera: String,
    },
    /// Cameras of a group were lost together; or further ones after them.
    GroupLost {
        /// The group: a switch, a supply.
        group: String,
        /// Those that are new.
        cameras: Vec<String>,
    },
    /// Cameras that were lost together are back.
    GroupRestored {
        /// The group.
        group: String,
        /// Those that are back.
        cameras: Vec<String>,
        /// Those that are not: with none, the fault is over.
        missing: Vec<String>,
    },
}

/// The fold over all cameras' losses and restores.
#[derive(Clone, Debug)]
pub struct Groups {
    settings: GroupSettings,
    /// The name of each camera's group.
    of: BTreeMap<String, String>,
    by_name: BTreeMap<String, Group>,
}

#[derive(Clone, Debug, Default)]
struct Group {
    /// Lost and not yet told.
    going: BTreeSet<String>,
    going_since: Mono,
    /// Told as one fault, and not back.
    down: BTreeSet<String>,
    /// Of these, back and not yet told.
    coming: BTreeSet<String>,
    coming_since: Mono,
}

impl Groups {
    /// `groups`: the name of each group with its cameras. A camera in none is told at once.
    pub fn new<'a>(
        settings: GroupSettings,
        groups: impl IntoIterator<Item = (&'a str, &'a [&'a str])>,
    ) -> Self {
        let mut of = BTreeMap::new();
        for (group, cameras) in groups {
            of.extend(cameras.iter().map(|&camera| (camera.to_owned(), group.to_owned())));
        }
        Self { settings, of, by_name: BTreeMap::new() }
    }

    /// A camera's ladder reported a loss of pictures.
    pub fn lost(&mut self, now: Mono, camera: &str) -> Vec<Told> {
        let Some(group) = self.group(camera) else {
            return vec![Told::Lost { camera: camera.to_owned() }];
        };
        // Back and lost again before it was told: still down.
        if group.coming.remove(camera) || group.down.contains(camera) {
            return self.tick(now);
        }
        if group.going.is_empty() {
            group.going_since = now;
        }
        group.going.insert(camera.to_owned());
        self.tick(now)
    }

    /// A camera's ladder reported that pictures come again.
    pub fn restored(&mut self, now: Mono, camera: &str) -> Vec<Told> {
        let Some(group) = self.group(camera) else {
            return vec![Told::Restored { camera: camera.to_owned() }];
        };
        // Lost and back before it was told: nothing to tell.
        if group.going.remove(camera) {
            return self.tick(now);
        }
        if !group.down.contains(camera) {
            let mut told = vec![Told::Restored { camera: camera.to_owned() }];
            told.extend(self.tick(now));
            return told;
        }
        if group.coming.is_empty() {
            group.coming_since = now;
        }
        group.coming.insert(camera.to_owned());
        self.tick(now)
    }

    /// Time has passed: what has waited for its window is told. To be called every second.
    pub fn tick(&mut self, now: Mono) -> Vec<Told> {
        let (least, window) = (self.settings.least.max(2), self.settings.window);
        let mut told = Vec::new();
        for (name, group) in &mut self.by_name {
            let due = !group.going.is_empty() && now.since(group.going_since) >= window;
            if due {
                let cameras: Vec<_> = std::mem::take(&mut group.going).into_iter().collect();
                // What follows a common fault belongs to it.
                if cameras.len() >= least || !group.down.is_empty() {
                    group.down.extend(cameras.iter().cloned());
                    told.push(Told::GroupLost { group: name.clone(), cameras });
                } else {
                    told.extend(cameras.into_iter().map(|camera| Told::Lost { camera }));
                }
            }
            let all = group.coming.len() == group.down.len();
            if !group.coming.is_empty() && (all || now.since(group.coming_since) >= window) {
                let cameras: Vec<_> = std::mem::take(&mut group.coming).into_iter().collect();
                group.down.retain(|camera| !cameras.contains(camera));
                let missing = group.down.iter().cloned().collect();
                told.push(Told::GroupRestored { group: name.clone(), cameras, missing });
            }
        }
        told
    }

    fn group(&mut self, camera: &str) -> Option<&mut Group> {
        let name = self.of.get(camera)?;
        Some(self.by_name.entry(name.clone()).or_default())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn groups() -> Groups {
        let cameras: &[&str] = &["a", "b", "c", "d"];
        Groups::new(GroupSettings::default(), [("switch", cameras)])
    }

    fn s(seconds: u64) -> Mono {
        Mono(seconds * 1_000_000_000)
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn cameras_of_a_switch_that_went_together_are_one_fault_and_one_restore() {
        let mut groups = groups();
        for (second, camera) in [(1, "c"), (3, "a"), (9, "b")] {
            assert_eq!(groups.lost(s(second), camera), []);
        }
        let cameras = names(&["a", "b", "c"]);
        assert_eq!(groups.tick(s(16)), [Told::GroupLost { group: "switch".into(), cameras }]);
        assert_eq!(groups.restored(s(60), "a"), []);
        assert_eq!(
            groups.tick(s(75)),
            [Told::GroupRestored {
                group: "switch".into(),
                cameras: names(&["a"]),
                missing: names(&["b", "c"]),
            }]
        );
        assert_eq!(groups.restored(s(80), "c"), []);
        assert_eq!(
            groups.restored(s(81), "b"),
            [Told::GroupRestored {
                group: "switch".into(),
                cameras: names(&["b", "c"]),
                missing: vec![],
            }]
        );
    }

    #[test]
    fn two_of_four_are_two_faults_and_a_camera_without_group_is_told_at_once() {
        let mut groups = groups();
        assert_eq!(groups.lost(s(1), "lone"), [Told::Lost { camera: "lone".into() }]);
        groups.lost(s(1), "a");
        groups.lost(s(2), "b");
        let lost = |camera: &str| Told::Lost { camera: camera.into() };
        assert_eq!(groups.tick(s(16)), [lost("a"), lost("b")]);
        assert_eq!(groups.restored(s(20), "a"), [Told::Restored { camera: "a".into() }]);
    }

    proptest! {
        /// Whoever listens to what is told knows, a window after the last change, who is down.
        #[test]
        fn what_is_told_adds_up_to_what_is(
            changes in prop::collection::vec((0usize..4, 0u64..20), 0..60),
        ) {
            let mut groups = groups();
            let cameras = ["a", "b", "c", "d"];
            let (mut down, mut heard) = (BTreeSet::new(), BTreeSet::new());
            let mut at = 0;
            let mut hear = |told: Vec<Told>| -> Result<(), TestCaseError> {
                for told in told {
                    let (gone, back) = match told {
                        Told::Lost { camera } => (vec![camera], vec![]),
                        Told::Restored { camera } => (vec![], vec![camera]),
                        Told::GroupLost { cameras, .. } => (cameras, vec![]),
                        Told::GroupRestored { cameras, .. } => (vec![], cameras),
                    };
                    for camera in gone {
                        prop_assert!(heard.insert(camera), "lost twice");
                    }
                    for camera in back {
                        prop_assert!(heard.remove(&camera), "restored without a loss");
                    }
                }
                Ok(())
            };
            for (which, pause) in changes {
                at += pause;
                let camera = cameras[which];
                hear(if down.insert(camera) {
                    groups.lost(s(at), camera)
                } else {
                    down.remove(camera);
                    groups.restored(s(at), camera)
                })?;
            }
            hear(groups.tick(s(at + 15)))?;
            let down: BTreeSet<String> = down.into_iter().map(str::to_owned).collect();
            prop_assert_eq!(heard, down);
        }
    }
}
