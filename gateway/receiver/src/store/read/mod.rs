//! Reading the database, while receivers write it: by gateway and number, by time page by page,
//! and the audit of chain and completeness. The same over either kind.

mod audit;
mod select;

use std::fmt;
use std::str::FromStr;

use gatehouse_core::event::Class;
use gatehouse_core::id::{Id, Seq};
use gatehouse_core::time::UtcMs;
use serde::Deserialize;

use super::{Inner, Store, StoreError, When};
use crate::retention::Stump;

pub use audit::Audit;
pub(super) use audit::{Life, Side};
pub(super) use select::{COLUMNS, Select, Value};

/// The most events that one [`Page`] looks through for a text or a type. What is not found among
/// them is looked for by the next page.
const SCANNED: u32 = 20_000;

/// Rows that a server is asked for at once.
const STEP: u32 = 1000;

/// Which events are asked for, by gateway and number.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only of the gateways of this id, and of those only what came since they last began anew.
    pub gateway: Option<Id>,
    /// Only from this number on.
    pub from: Option<Seq>,
    /// Only up to this number.
    pub to: Option<Seq>,
    /// Only of this class.
    pub class: Option<Class>,
    /// Only the newest so many.
    pub newest: Option<u32>,
}

/// Which events are asked for, newest first. Empty lists and `None` ask for all.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// Only of this district.
    pub district: Option<Id>,
    /// Only of these communities.
    pub sites: Vec<Id>,
    /// Only of the gateways of this id, and of those only what came since they last began anew.
    pub gateway: Option<Id>,
    /// Only of these classes.
    pub classes: Vec<Class>,
    /// Only of types that begin so, as `zone.` or `door.forced`.
    pub kind: Option<String>,
    /// Only with this text anywhere in the event, in small or capital letters of ASCII.
    pub text: Option<String>,
    /// Only what happened at or after this, by [`When::utc`].
    pub since: Option<UtcMs>,
    /// Only what happened before this.
    pub until: Option<UtcMs>,
    /// Only what follows this place: [`Page::next`] of the page before.
    pub after: Option<Cursor>,
    /// At most so many; 0 is none.
    pub limit: u32,
}

/// A part of what was asked for, newest first.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The events.
    pub events: Vec<Stored>,
    /// Where to go on; none: there is nothing older. With a text or a type a page may be short, or
    /// empty, and still not be the last: each looks through 20,000 events at most.
    pub next: Option<Cursor>,
}

/// A place in the order of time. As text it is opaque and safe in a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    utc: i64,
    arrival: i64,
}

/// A text is no [`Cursor`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a place in a list; take it from the page before, or leave it out")]
pub struct CursorError;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.utc, self.arrival)
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let (utc, arrival) = text.split_once('.').ok_or(CursorError)?;
        let of = |part: &str| part.parse().map_err(|_| CursorError);
        Ok(Self { utc: of(utc)?, arrival: of(arrival)? })
    }
}

/// One stored event.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The district.
    pub district: String,
    /// The community.
    pub site: String,
    /// The gateway.
    pub gateway: String,
    /// The event's number.
    pub seq: Seq,
    /// What it is about.
    pub class: Class,
    /// Wall time of its receipt.
    pub recv: UtcMs,
    /// When it happened. What the gateway said of it stays in the body.
    pub when: When,
    /// It came late.
    pub replayed: bool,
    /// Its canonical bytes.
    pub body: Vec<u8>,
    /// Its place in the order of arrival.
    pub arrival: i64,
}

impl Stored {
    /// Where it stands in the order of time.
    pub const fn cursor(&self) -> Cursor {
        Cursor { utc: self.when.utc.0, arrival: self.arrival }
    }

    /// Whether it has had its time, and only its place is left.
    pub(crate) fn is_emptied(&self) -> bool {
        Stump::read(&self.body).is_some()
    }

    /// Whether the event passes what a database is not asked for.
    fn passes(&self, kind: Option<&str>, text: Option<&str>) -> bool {
        #[derive(Deserialize)]
        struct Only<'a> {
            #[serde(borrow, rename = "type")]
            kind: std::borrow::Cow<'a, str>,
        }
        let of_kind = kind.is_none_or(|wanted| {
            serde_json::from_slice::<Only<'_>>(&self.body)
                .is_ok_and(|event| event.kind.starts_with(wanted))
        });
        !self.is_emptied()
            && of_kind
            && text.is_none_or(|wanted| {
                let wanted = wanted.as_bytes();
                wanted.is_empty()
                    || self
                        .body
                        .windows(wanted.len())
                        .any(|window| window.eq_ignore_ascii_case(wanted))
            })
    }
}

/// What stands in a column of a row.
#[derive(Clone, Debug)]
pub(super) enum Cell {
    Null,
    Integer(i64),
    Text(String),
    Bytes(Vec<u8>),
}

impl Cell {
    pub(super) fn integer(self) -> Option<i64> {
        if let Self::Integer(value) = self { Some(value) } else { None }
    }

    pub(super) fn text(self) -> Option<String> {
        if let Self::Text(value) = self { Some(value) } else { None }
    }

    pub(super) fn bytes(self) -> Option<Vec<u8>> {
        if let Self::Bytes(value) = self { Some(value) } else { None }
    }
}

/// Takes one event; says whether to go on.
pub(super) type Each<'a> = &'a mut dyn FnMut(Stored) -> bool;

/// What either kind of database reads.
pub(super) trait Reading {
    /// Every event of a selection, in its order, until `each` has enough.
    fn events(&self, select: &Select, each: Each<'_>) -> Result<(), StoreError>;

    /// Calls back inside one view of the database that others do not change.
    fn still(&self, look: &mut dyn FnMut() -> Result<(), StoreError>) -> Result<(), StoreError>;

    /// Each gateway's lives, by site and gateway.
    fn lives(&self, gateway: Option<&Id>) -> Result<Vec<Life>, StoreError>;

    /// Number, class and bytes of each event of a life, by number.
    fn bodies(&self, life: i64, each: &mut dyn FnMut(Seq, i64, &[u8])) -> Result<(), StoreError>;

    /// What accounts for numbers of a life without an event.
    fn side(&self, life: i64) -> Result<Side, StoreError>;

    /// Every row of a selection of whatever.
    fn cells(&self, select: &Select, each: &mut dyn FnMut(Vec<Cell>)) -> Result<(), StoreError>;
}

impl Store {
    pub(super) fn reading(&self) -> &dyn Reading {
        match &self.inner {
            Inner::Sqlite(file) => file,
            Inner::Postgres(client) => &**client,
        }
    }

    /// Calls `each` with every event that passes the filter: by site, gateway and number.
    ///
    /// # Errors
    /// When the database cannot be read on, or when `each` says so.
    pub fn query<E: From<StoreError>>(
        &self,
        filter: &Filter,
        mut each: impl FnMut(Stored) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut stopped = Ok(());
        self.reading().events(&select::by_number(filter), &mut |stored| {
            stopped = each(stored);
            stopped.is_ok()
        })?;
        stopped
    }

    /// Calls `each` with every event of a search that is still whole, newest first, until it has
    /// enough. What the search
    /// says of a type, a text or a place in the order is not looked at.
    ///
    /// # Errors
    /// When the database cannot be read on.
    pub fn each(
        &self,
        search: &Search,
        mut each: impl FnMut(Stored) -> bool,
    ) -> Result<(), StoreError> {
        let mut whole = |stored: Stored| stored.is_emptied() || each(stored);
        self.reading().events(&select::by_time(search, None, u32::MAX), &mut whole)
    }

    /// A page of the history, newest first, without what has had its time.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn page(&self, search: &Search) -> Result<Page, StoreError> {
        let mut page = Page { events: Vec::new(), next: search.after };
        let (kind, text) = (search.kind.as_deref(), search.text.as_deref());
        let (mut left, mut wanted) = (SCANNED, search.limit);
        while wanted > 0 && left > 0 {
            let alike = kind.is_none() && text.is_none();
            let step = if alike { wanted } else { STEP }.min(left);
            let mut seen = 0;
            let select = select::by_time(search, page.next, step);
            self.reading().events(&select, &mut |stored| {
                seen += 1;
                page.next = Some(stored.cursor());
                if stored.passes(kind, text) {
                    page.events.push(stored);
                    wanted -= 1;
                }
                wanted > 0
            })?;
            left -= step;
            // Fewer than asked for, though more were wanted: that was all.
            if seen < step && wanted > 0 {
                page.next = None;
                break;
            }
        }
        Ok(page)
    }
}
