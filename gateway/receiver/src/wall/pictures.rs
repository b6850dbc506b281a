//! Cameras' pictures: which there are, and each of them, for whoever may see it.
//!
//! A picture is of the class `camera`, and of its site. One that nobody at the site may notice is
//! shown only to who sees panic alarms as well, and so is one of which no event says yet what it is.
//! Every look at a picture is kept (`gatehouse-receiver looks`): who, which, and when; one that cannot be
//! kept is refused. Nothing of it is said by which a silent one would be noticed.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use gatehouse_core::event::Class;
use gatehouse_core::id::Id;
use gatehouse_core::topic::Address;
use serde_json::{Value, json};

use super::Shared;
use super::acts::sees;
use super::guard::{Signed, refuse};
use super::scope::Scope;
use crate::clock::{Clock as _, SystemClock};
use crate::operator::Place;
use crate::pictures::sha256;
use crate::store::looks::{self, Look};
use crate::store::pictures::Picture;
use crate::store::shots::is_sha256;
use crate::store::{Database, Store, StoreError};

/// A page of another origin is not to show it, whatever its cookie says.
const OURS: (HeaderName, &str) =
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin");

/// The gateway of this name, if the account may see pictures of it.
fn gateway(shared: &Shared, scope: &Scope, site: &str, gateway: &str) -> Option<Address> {
    if !scope.site(site) || !scope.class(Class::Camera) {
        return None;
    }
    let picture = shared.pictures.borrow();
    let piece = picture.gateways.get(&format!("{site}/{gateway}"))?;
    Some(piece.address.clone())
}

impl Scope {
    /// Whether a picture of a camera that may be seen may be.
    fn picture(&self, picture: &Picture) -> bool {
        !picture.is_silent() || self.silent()
    }
}

/// Reads, when it is its turn.
async fn read<T: Send + 'static>(
    shared: &Shared,
    work: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Response> {
    let database = shared.history.database.clone();
    if matches!(database, Database::Memory) {
        return Err(refuse(StatusCode::NOT_FOUND, "no_history"));
    }
    let Ok(_turn) = Arc::clone(&shared.history.readers).acquire_owned().await else {
        return Err(refuse(StatusCode::SERVICE_UNAVAILABLE, "ending"));
    };
    let done = tokio::task::spawn_blocking(move || {
        let store = Store::open_to_read(database).map_err(|error| error.to_string())?;
        work(&store).map_err(|error| error.to_string())
    });
    match done.await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => {
            tracing::error!(error, "the pictures cannot be read");
            Err(refuse(StatusCode::SERVICE_UNAVAILABLE, "history"))
        }
        Err(_) => Err(refuse(StatusCode::SERVICE_UNAVAILABLE, "history")),
    }
}

/// Records a look.
async fn keep(shared: &Shared, look: Look) -> Result<(), Response> {
    let database = shared.history.database.clone();
    let kept = tokio::task::spawn_blocking(move || {
        let mut looks = looks::open(&database, true).map_err(|error| error.to_string())?;
        looks.record(&look).map_err(|error| error.to_string())
    });
    let kept = kept.await.unwrap_or_else(|error| Err(error.to_string()));
    kept.map_err(|error| {
        tracing::error!(error, "a look at a picture cannot be recorded: it is not shown");
        refuse(StatusCode::SERVICE_UNAVAILABLE, "history")
    })
}

/// `GET /api/pictures/{site}`: the latest picture of each camera.
pub(crate) async fn latest(
    State(shared): State<Shared>,
    signed: Signed,
    Path(site): Path<String>,
) -> Response {
    let scope = signed.account.scope.clone();
    if !scope.site(&site) {
        return refuse(StatusCode::NOT_FOUND, "gone");
    }
    let snapshot = Arc::clone(&shared.pictures.borrow().snapshot);
    let of_site = snapshot.gateways.iter().filter(|(address, _)| address.site.as_str() == site);
    let cameras: Vec<(Address, Vec<String>)> = of_site
        .filter(|_| scope.class(Class::Camera))
        .map(|(address, view)| (address.clone(), view.cameras.keys().cloned().collect()))
        .collect();
    let found = read(&shared, move |store| {
        let mut all = serde_json::Map::new();
        for (address, cameras) in cameras {
            let mut of = serde_json::Map::new();
            for camera in cameras {
                let latest = store.latest_pictures(&address, &camera)?;
                // What may not be seen leaves no gap: the one before it stands there.
                if let Some(picture) = latest.iter().find(|picture| scope.picture(picture)) {
                    of.insert(camera, told(picture));
                }
            }
            all.insert(address.gateway.to_string(), Value::Object(of));
        }
        Ok(all)
    });
    match found.await {
        Ok(all) => Json(json!({"site": site, "gateways": all})).into_response(),
        Err(refused) => refused,
    }
}

/// `GET /api/incidents/{site}/{gateway}/{id}/pictures`: the pictures of an open incident's events.
pub(crate) async fn incident(
    State(shared): State<Shared>,
    signed: Signed,
    Path((site, name, id)): Path<(String, String, String)>,
) -> Response {
    let scope = signed.account.scope.clone();
    let gone = || refuse(StatusCode::NOT_FOUND, "gone");
    let Some(address) = gateway(&shared, &scope, &site, &name) else { return gone() };
    let Ok(id) = id.parse::<Id>() else { return gone() };
    let place = Place { site: Some(address.site.clone()), gateway: address.gateway.clone() };
    if !sees(&shared, &signed, &place, &id) {
        return gone();
    }
    let found = read(&shared, move |store| {
        let all = store.pictures_of(&address, &id)?;
        Ok(all.iter().filter(|one| scope.picture(one)).map(told).collect::<Vec<_>>())
    });
    match found.await {
        Ok(all) => Json(json!({"pictures": all})).into_response(),
        Err(refused) => refused,
    }
}

/// `GET /api/picture/{site}/{gateway}/{sha256}`: the picture itself.
pub(crate) async fn one(
    State(shared): State<Shared>,
    signed: Signed,
    Path((site, name, digest)): Path<(String, String, String)>,
) -> Response {
    let scope = signed.account.scope.clone();
    let gone = || refuse(StatusCode::NOT_FOUND, "gone");
    let Some(address) = gateway(&shared, &scope, &site, &name) else { return gone() };
    if !is_sha256(&digest) {
        return gone();
    }
    let wanted = digest.clone();
    let found = read(&shared, move |store| {
        let known = store.picture(&address, &wanted)?.filter(|picture| scope.picture(picture));
        let Some(known) = known else { return Ok(None) };
        Ok(store.jpeg(&address, &wanted)?.map(|jpeg| (known, jpeg)))
    });
    let (known, jpeg) = match found.await {
        Ok(Some(found)) => found,
        Ok(None) => return gone(),
        Err(refused) => return refused,
    };
    if sha256(&jpeg) != digest {
        tracing::error!(
            site,
            gateway = name,
            sha256 = digest,
            "a picture in the database is not what it was: it is not shown"
        );
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "history");
    }
    let look = Look {
        at: SystemClock.now().utc,
        who: signed.account.name.clone(),
        via: "wall".to_owned(),
        site,
        gateway: name,
        camera: Some(known.camera.clone()),
        sha256: Some(digest),
        incident: None,
    };
    tracing::info!(
        account = look.who,
        site = look.site,
        gateway = look.gateway,
        camera = known.camera,
        sha256 = look.sha256,
        event = known.shot.as_ref().map(|shot| shot.seq.0),
        silent = known.is_silent(),
        "a picture was looked at"
    );
    // Before it is shown.
    if let Err(refused) = keep(&shared, look).await {
        return refused;
    }
    ([(header::CONTENT_TYPE, "image/jpeg"), OURS], jpeg).into_response()
}

/// A picture in a list. Its bytes may not have come, or may have had to make room.
fn told(picture: &Picture) -> Value {
    let shot = picture.shot.as_ref();
    let came = picture.came.map(|(at, _)| at.0);
    json!({
        "camera": picture.camera,
        "sha256": picture.sha256,
        "here": picture.came.is_some(),
        "bytes": picture.came.map(|(_, bytes)| bytes),
        "at": shot.map(|shot| shot.utc.0).or(came),
        "proven": shot.is_some(),
        "seq": shot.map(|shot| shot.seq),
        "of": shot.and_then(|shot| shot.of),
        "masked": shot.map(|shot| shot.masked),
        "silent": shot.map(|shot| shot.silent),
        "width": shot.map(|shot| shot.width),
        "height": shot.map(|shot| shot.height),
    })
}
