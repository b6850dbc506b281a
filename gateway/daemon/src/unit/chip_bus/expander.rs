//! Contacts on the lines of an expander.

use std::time::Duration;

use gatehouse_config::{Bias, ChipKind};
use gatehouse_core::site::Condition;
use gatehouse_drivers::{
    ChipError, Contact, ContactState, Expander, ExpanderChip, ExpanderConfig, Mcp23017, Pca9555,
    Pcf8574, PortConfig, PortLine, Scan,
};

use super::plan::{ChipPlan, Places, Wiring};
use super::seat::{Device, News, Trouble, next};
use crate::io::wire::{Wire, WireError};
use crate::unit::owner::Owner;

/// As many as the driver needs to take the levels for unknown.
const PATIENCE: u32 = 3;

/// A reading that failed is tried again after this.
const SOON: Duration = Duration::from_millis(25);

/// A scan of any chip of the family.
trait Scans {
    fn poll(
        &mut self,
        now_ns: u64,
        interrupt_ns: Option<u64>,
    ) -> Result<Scan, ChipError<WireError>>;
}

impl<C: ExpanderChip<BusError = WireError>> Scans for Expander<C> {
    fn poll(
        &mut self,
        now_ns: u64,
        interrupt_ns: Option<u64>,
    ) -> Result<Scan, ChipError<WireError>> {
        Expander::poll(self, now_ns, interrupt_ns)
    }
}

pub(super) struct Contacts {
    chip: Box<dyn Scans>,
    lines: Vec<(Contact<PortLine>, Owner)>,
    period: Duration,
    /// When it was to be read last.
    paced_ns: u64,
}

impl Contacts {
    pub(super) fn new(plan: &ChipPlan, places: &Places, wire: Wire) -> Self {
        let mut lines = Vec::new();
        let mut pull_ups = 0;
        let mut used = 0;
        for line in &plan.lines {
            let Wiring::Contact(config) = &line.wiring else { continue };
            let Some(owner) = places.owners.get(&line.thing) else { continue };
            let bit = 1_u16.checked_shl(line.line.into()).unwrap_or(0);
            used |= bit;
            if config.bias == Bias::PullUp {
                pull_ups |= bit;
            }
            let contact = Contact::new(PortLine::new(line.line), config.contact);
            lines.push((contact, *owner));
        }
        // A line that nobody uses floats without a pull-up, and would interrupt at every noise.
        let port =
            PortConfig { pull_ups: pull_ups | !used, interrupts: used, ..PortConfig::contacts() };
        let config = if plan.chip.interrupt.is_some() {
            ExpanderConfig::interrupted(port)
        } else {
            ExpanderConfig::polled(port)
        };
        Self { chip: chip(plan, wire, config), lines, period: plan.chip.poll, paced_ns: 0 }
    }
}

/// The driver of the chip; the configuration has checked its address.
fn chip(plan: &ChipPlan, wire: Wire, config: ExpanderConfig) -> Box<dyn Scans> {
    const CHECKED: &str = "the configuration has checked the address";
    let at = plan.chip.address;
    match plan.chip.kind {
        ChipKind::Pca9555 => {
            Box::new(Expander::new(Pca9555::new(wire, at).expect(CHECKED), config))
        }
        ChipKind::Pcf8574 if at >= 0x38 => {
            Box::new(Expander::new(Pcf8574::new_a(wire, at).expect(CHECKED), config))
        }
        ChipKind::Pcf8574 => {
            Box::new(Expander::new(Pcf8574::new(wire, at).expect(CHECKED), config))
        }
        _ => Box::new(Expander::new(Mcp23017::new(wire, at).expect(CHECKED), config)),
    }
}

impl Device for Contacts {
    fn patience(&self) -> u32 {
        PATIENCE
    }

    fn serve(
        &mut self,
        now_ns: u64,
        interrupt_ns: Option<u64>,
        news: &mut Vec<News>,
    ) -> Result<u64, Trouble> {
        let scan = self
            .chip
            .poll(now_ns, interrupt_ns)
            .map_err(|error| Trouble { kind: error.kind(), cause: error.to_string() })?;
        let mut deadline_ns = u64::MAX;
        for (contact, owner) in &mut self.lines {
            contact.scanned(&scan);
            while let Some(reading) = contact.next_scanned(scan.at_ns) {
                news.push(News::Line {
                    owner: *owner,
                    condition: condition(reading.state),
                    at_ns: reading.at_ns,
                    resynced: reading.resynced,
                });
            }
            deadline_ns = deadline_ns.min(contact.deadline().unwrap_or(u64::MAX));
        }
        if interrupt_ns.is_none() {
            self.paced_ns = next(self.paced_ns, self.period, now_ns);
        }
        // What is being debounced is read again when it is decided, however slow the pace is. Never
        // at once: a deadline that is not met by a reading of its own moment waits for the pace.
        let soon_ns = now_ns.saturating_add(1_000_000);
        Ok(self.paced_ns.min(deadline_ns.max(soon_ns)))
    }

    fn try_again(&self, now_ns: u64) -> u64 {
        // Soon, however slow the pace is: three failures at it would be minutes of silence.
        next(self.paced_ns, self.period.min(SOON), now_ns)
    }

    fn forget(&mut self, now_ns: u64, news: &mut Vec<News>) {
        for (contact, owner) in &mut self.lines {
            contact.lost();
            let (owner, condition) = (*owner, Condition::Unknown);
            news.push(News::Line { owner, condition, at_ns: now_ns, resynced: false });
        }
    }
}

const fn condition(state: ContactState) -> Condition {
    match state {
        ContactState::Unknown => Condition::Unknown,
        ContactState::Closed => Condition::Normal,
        ContactState::Open => Condition::Active,
    }
}
