//! One session with a device, on a thread of its own: every call here may block.

use std::io;
use std::time::Duration;

use linuxvideo::format::{FormatDesc, PixFormat};
use linuxvideo::stream::ReadStream;
use linuxvideo::{BufType, CapabilityFlags, Device, Fract};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::DeviceSettings;
use super::error::DeviceError;
use super::format::{Layout, Pixels, Size, Sizes, choose, no_format, pixels};

/// How often it is looked whether anybody still waits for pictures.
const LOOK: Duration = Duration::from_millis(200);

/// A picture that comes so little before its time is taken: a camera's own pace is not exact.
const EARLY: u32 = 10;

/// What a session gives.
pub(super) type Told = Result<Vec<u8>, DeviceError>;

/// Gives pictures until the device fails, which is told last, or nobody waits any more.
pub(super) fn live(settings: &DeviceSettings, tell: &mpsc::Sender<Told>) {
    if let Err(error) = take(settings, tell) {
        // Who waited may have gone away.
        let _ = tell.blocking_send(Err(error));
    }
}

fn take(settings: &DeviceSettings, tell: &mpsc::Sender<Told>) -> Result<(), DeviceError> {
    let (mut stream, layout) = open(settings)?;
    let least = settings.every.saturating_sub(settings.every / EARLY);
    let mut last: Option<Instant> = None;
    let mut came = Instant::now();
    while !tell.is_closed() {
        if !ready(&stream)? {
            if came.elapsed() >= settings.stall {
                return Err(DeviceError::Stalled { limit: settings.stall });
            }
            continue;
        }
        let due = last.is_none_or(|last| last.elapsed() >= least);
        // Every buffer is taken, and most are given back unread: a picture is of now.
        let taken = stream.dequeue(|view| {
            let good = due && !view.is_error();
            Ok(good.then(|| layout.jpeg(&view)))
        });
        let taken = taken.map_err(|error| match Errno::from_io_error(&error) {
            // So some drivers say that the device is gone.
            Some(Errno::IO) => DeviceError::Absent { source: error },
            _ => DeviceError::of("take a picture", error),
        })?;
        came = Instant::now();
        if let Some(jpeg) = taken {
            last = Some(came);
            if tell.blocking_send(Ok(jpeg?)).is_err() {
                break;
            }
        }
    }
    Ok(())
}

/// Whether a buffer is full, or the device has something to complain of, within [`LOOK`].
fn ready(stream: &ReadStream) -> Result<bool, DeviceError> {
    let mut files = [PollFd::new(stream, PollFlags::IN)];
    let limit = Timespec { tv_sec: 0, tv_nsec: LOOK.subsec_nanos().into() };
    match poll(&mut files, Some(&limit)) {
        Ok(count) => Ok(count > 0),
        Err(Errno::INTR) => Ok(false),
        Err(error) => Err(DeviceError::of("wait for a picture", error.into())),
    }
}

fn open(settings: &DeviceSettings) -> Result<(ReadStream, Layout), DeviceError> {
    let DeviceSettings { device: path, every, size: wanted, .. } = settings;
    let device = Device::open(path).map_err(|error| DeviceError::of("open it", error))?;
    let able = device.capabilities().map_err(|error| DeviceError::of("ask what it is", error))?;
    let able = able.device_capabilities();
    if !able.contains(CapabilityFlags::VIDEO_CAPTURE | CapabilityFlags::STREAMING) {
        return Err(DeviceError::NoCapture);
    }
    let offered = device.formats(BufType::VIDEO_CAPTURE).collect::<io::Result<Vec<_>>>();
    let offered = offered.map_err(|error| DeviceError::of("ask for its formats", error))?;
    let with_sizes = |format: &FormatDesc| {
        let code = format.pixel_format();
        // Simple drivers have one size, and say it when they are asked for another.
        (code, device.frame_sizes(code).map_or(Sizes::Unsaid, |sizes| Sizes::from(&sizes)))
    };
    let offered: Vec<_> = offered.iter().map(with_sizes).collect();
    let choice = choose(&offered, *wanted)?;
    let (code, (width, height)) = (choice.code, choice.size);
    let device = device
        .video_capture(PixFormat::new(width, height, code))
        .map_err(|error| DeviceError::of("set its format", error))?;
    // The driver has the last word.
    let format = device.format();
    let kind = pixels(format.pixel_format()).ok_or_else(|| no_format(&[format.pixel_format()]))?;
    let count = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
    let layout = Layout {
        pixels: kind,
        width: count(format.width()),
        height: count(format.height()),
        stride: count(format.bytes_per_line()),
    };
    let given: Size = (format.width(), format.height());
    if kind != Pixels::Jpeg && (format.width() > LARGEST || format.height() > LARGEST) {
        return Err(DeviceError::Protocol {
            detail: format!("pictures of {}x{}", format.width(), format.height()),
        });
    }
    // As seldom as they are wanted, if it can: less for its bus to carry. Otherwise they are left out.
    let pace = u32::try_from(every.as_millis()).unwrap_or(u32::MAX).max(1);
    let _ = device.set_frame_interval(Fract::new(pace, 1000));
    let stream = device.into_stream().map_err(|error| DeviceError::of("begin", error))?;
    tracing::info!(
        device = %path.display(),
        format = %String::from_utf8_lossy(&code.as_fourcc()),
        width = layout.width,
        height = layout.height,
        "pictures come"
    );
    if let Some(wanted) = wanted.filter(|wanted| *wanted != given) {
        tracing::warn!(
            device = %path.display(),
            "it has no pictures of {}x{}; the nearest are taken: {}x{}",
            wanted.0, wanted.1, given.0, given.1
        );
    }
    Ok((stream, layout))
}

/// No side of a picture is longer: JPEG knows no more, and a driver that says so lies.
const LARGEST: u32 = 8192;
