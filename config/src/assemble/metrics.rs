//! Where the gateway's figures are served.

use crate::finding::Finding;
use crate::keys::metrics::{LISTEN, PLAIN, TABLE};
use crate::page::{Metrics, Page};
use crate::reader::{Notes, Reader};

/// Where, if anywhere. `Err`: there is a table, and it is wrong.
pub(super) fn metrics(
    file: &Reader<'_, '_>,
    page: Option<&Page>,
    notes: &mut Notes<'_>,
) -> Result<Option<Metrics>, ()> {
    if !file.has_table(&TABLE) {
        return Ok(None);
    }
    let table = file.table(&TABLE, notes).ok_or(())?;
    let listen = table.get(&LISTEN, notes);
    let plain = table.get(&PLAIN, notes);
    let (listen, plain) = (listen.ok_or(())?, plain.ok_or(())?.value);
    let at = listen.value;
    if !at.ip().to_canonical().is_loopback() && !plain {
        let title = format!("`listen` in [metrics] is {at}, which other machines can reach");
        notes.error(Finding::new(title, listen.span.clone()).label("nobody is asked who he is").hint(
            format!(
                "write listen = \"127.0.0.1:{}\", or add plain = true if something before it says who \
                 may read",
                at.port()
            ),
        ));
        return Err(());
    }
    if page.is_some_and(|page| page.listen.port() == at.port()) {
        let title = format!("`listen` in [metrics] has the port of [page], {}", at.port());
        let hint = "give it another port, as 9464";
        notes.error(Finding::new(title, listen.span.clone()).label("used twice").hint(hint));
        return Err(());
    }
    Ok(Some(Metrics { listen: at }))
}
