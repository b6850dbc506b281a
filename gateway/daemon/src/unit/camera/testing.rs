//! A camera's studio without a camera: for tests that give it the key frames.

use std::path::Path;

use gatehouse_camera::frame::{Codec, Frame, Track};
use gatehouse_camera::picture::{JPEG_QUALITY, Mask, Picture, Range};
use gatehouse_core::checkpoint::to_hex;
use gatehouse_core::id::{Id, Seq};
use gatehouse_core::sealed::Recipient;
use gatehouse_core::time::Mono;
use ring::digest::{SHA256, digest};
use tokio::sync::mpsc;

use super::evidence;
use super::later::Views;
use super::picture::Studio;
use super::sink::Newest;
use super::watcher::Turns;
use crate::clock::Clock;
use crate::eyes::{What, Wish};
use crate::rules::{Inputs, Queue};
use crate::uplink::commands::Say;

/// The file of a site with two cameras, `gate` and `gate-2`, that keeps its state there.
pub(super) fn config(state: &Path) -> gatehouse_config::Config {
    let text = format!(
        "[gateway]\nid = \"g\"\ndistrict = \"d\"\nsite = \"s\"\nstate-dir = \"{}\"\n\
         [[broker]]\nid = \"b\"\nhost = \"localhost\"\n\
         [[camera]]\nid = \"gate\"\nstream = \"rtsp://192.0.2.1/main\"\n\
         [[camera]]\nid = \"gate-2\"\nstream = \"rtsp://192.0.2.2/main\"\n",
        state.display()
    );
    gatehouse_config::Config::parse(&text, "test").unwrap()
}

/// A studio of `gate` that keeps pictures below `state`, and what it says to the rules and to the district.
pub(super) fn studio(
    state: &Path,
    (mask, recipients): (Mask, Vec<Recipient>),
) -> (Studio, Queue, mpsc::Receiver<Say>) {
    let config = config(state);
    let root = evidence::root(&config);
    evidence::folders(&root);
    let (inputs, queue) = Inputs::new(&config.site());
    let (say, said) = mpsc::channel(64);
    let studio = Studio {
        camera: "gate".parse().unwrap(),
        driver: "rtsp".to_owned(),
        root,
        recipients,
        mask,
        moved: std::sync::Arc::default(),
        newest: Newest::default(),
        views: Views::default(),
        turns: Turns::default(),
        clock: Clock::system(),
        inputs,
        say,
    };
    (studio, queue, said)
}

/// An alarm's wish.
pub(super) fn wish(seq: u64, silent: bool, at: Mono) -> Wish {
    let (command, answer): (Option<Id>, _) = (None, None);
    Wish { of: Some(Seq(seq)), silent, command, what: What::All, answer, at }
}

/// A key frame of a yard of bricks, seen through so much blur, with something so wide in it.
pub(super) fn yard(received: Mono, blur: usize, thing: usize) -> Frame {
    const SIZE: (usize, usize) = (320, 180);
    let brick = |x: usize, y: usize| -> u32 {
        if x >= 40 && x < 40 + thing && (60..150).contains(&y) {
            return if (x / 6 + y / 6).is_multiple_of(2) { 30 } else { 60 };
        }
        if (x / 20 + y / 12).is_multiple_of(2) { 170 } else { 90 }
    };
    let luma = (0..SIZE.0 * SIZE.1).map(|at| {
        let (x, y) = (at % SIZE.0, at / SIZE.0);
        let across = x.saturating_sub(blur)..=(x + blur).min(SIZE.0 - 1);
        let count = u32::try_from(across.clone().count()).unwrap();
        u8::try_from(across.map(|x| brick(x, y)).sum::<u32>() / count).unwrap()
    });
    let chroma = SIZE.0 * SIZE.1 / 4;
    let planes = [luma.collect(), vec![128; chroma], vec![128; chroma]];
    let picture = Picture::new(SIZE.0, SIZE.1, Range::Full, planes).unwrap();
    let track = Track {
        codec: Codec::Jpeg,
        width: 320,
        height: 180,
        parameter_sets: Vec::new(),
        sample_entry: bytes::Bytes::from_static(b"\0\0\0\x08mp4v"),
    };
    let data = Mask::none().burn(picture).jpeg(90).unwrap().into();
    Frame { track: track.into(), received, media: 0, key: true, data }
}

/// The hash of the picture that is made of a frame.
pub(super) fn hash_of(frame: &Frame, mask: &Mask) -> String {
    let limits = gatehouse_camera::decode::Limits::default();
    let picture = gatehouse_camera::decode::key(frame, limits).unwrap();
    let jpeg = mask.burn(picture).jpeg(JPEG_QUALITY).unwrap();
    to_hex(digest(&SHA256, &jpeg).as_ref())
}
