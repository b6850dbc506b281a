//! Readers at the far end of a pseudo terminal: libosdp's own peripheral devices, and a cable that
//! can be cut, listened to and meddled with.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use gatehouse_drivers::osdp::Deframer;
use libosdp::{
    Channel, ChannelError, OsdpCommand, OsdpEvent, OsdpEventCardRead, OsdpEventKeyPress, OsdpFlag,
    OsdpStatusReport, OsdpStatusReportType, PdCapEntity, PdCapability, PdId, PdInfoBuilder,
    PeripheralDevice,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// What is done to each packet of a reader on its way; `None` swallows it.
pub(crate) type Meddler = Box<dyn FnMut(&[u8]) -> Option<Vec<u8>> + Send>;

/// What a reader was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Led { temporary: u8, color: libosdp::OsdpLedColor },
    Buzzer,
    KeySet(Vec<u8>),
}

/// How a reader is made.
#[derive(Clone)]
pub(crate) struct Make {
    pub(crate) address: i32,
    pub(crate) key: Option<[u8; 16]>,
    pub(crate) enforce: bool,
}

impl Make {
    pub(crate) fn with_key(address: i32, key: [u8; 16]) -> Self {
        Self { address, key: Some(key), enforce: true }
    }

    fn build(
        &self,
        wire: Wire,
        told: SyncSender<(i32, Told)>,
        status: Arc<Mutex<[u8; 2]>>,
    ) -> PeripheralDevice {
        let mut info = PdInfoBuilder::new()
            .name(&format!("pd-{}", self.address))
            .unwrap()
            .address(self.address)
            .unwrap()
            .baud_rate(115_200)
            .unwrap()
            .id(&PdId::from_number(u8::try_from(self.address).unwrap()))
            .capability(PdCapability::LedControl(PdCapEntity::new(1, 1)))
            .capability(PdCapability::AudibleOutput(PdCapEntity::new(1, 1)));
        if let Some(key) = self.key {
            info = info.secure_channel_key(key);
        }
        if self.enforce {
            info = info.flag(OsdpFlag::EnforceSecure);
        }
        let mut device = PeripheralDevice::new(info, Box::new(wire)).unwrap();
        let address = self.address;
        device.set_command_callback(move |command: &mut OsdpCommand| {
            let heard = match command {
                OsdpCommand::Led(led) => Told::Led {
                    temporary: led.temporary.control_code,
                    color: led.temporary.on_color,
                },
                OsdpCommand::Buzzer(_) => Told::Buzzer,
                OsdpCommand::KeySet(set) => Told::KeySet(set.data.clone()),
                OsdpCommand::Status(report) => {
                    report.type_ = OsdpStatusReportType::Local;
                    report.nr_entries = 2;
                    let status = *status.lock().unwrap_or_else(PoisonError::into_inner);
                    report.report[..2].copy_from_slice(&status);
                    return 0;
                }
                _ => return -1,
            };
            told.try_send((address, heard)).map_or(-1, |()| 0)
        });
        device
    }
}

enum Order {
    Event(i32, OsdpEvent),
    Plug(Make, SyncSender<()>),
    Unplug(i32),
    Meddle(Option<Meddler>),
    Stop,
}

/// The far end of a bus, with its readers.
pub(crate) struct FarEnd {
    orders: SyncSender<Order>,
    pub(crate) told: Receiver<(i32, Told)>,
    cut: Arc<AtomicBool>,
    status: Arc<Mutex<[u8; 2]>>,
    heard: Arc<Mutex<Vec<u8>>>,
    thread: Option<JoinHandle<()>>,
}

impl FarEnd {
    /// A new pseudo terminal, which `link` is made to point to.
    pub(crate) fn new(link: &Path) -> Self {
        let master =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let slave = ptsname(&master, Vec::new()).unwrap();
        let slave = PathBuf::from(slave.to_str().unwrap());
        fcntl_setfl(&master, OFlags::RDWR | OFlags::NONBLOCK).unwrap();
        let new = link.with_extension("new");
        std::os::unix::fs::symlink(slave, &new).unwrap();
        std::fs::rename(new, link).unwrap();
        let (orders, taken) = sync_channel(64);
        let (tell, told) = sync_channel(256);
        let cut = Arc::new(AtomicBool::new(false));
        let status = Arc::new(Mutex::new([0, 0]));
        let heard = Arc::new(Mutex::new(Vec::new()));
        let mut pump = Pump {
            master: File::from(master),
            deframer: Deframer::new(),
            heard: Arc::clone(&heard),
            cut: Arc::clone(&cut),
            meddler: None,
            devices: Vec::new(),
            tell,
            status: Arc::clone(&status),
        };
        let thread = Some(std::thread::spawn(move || pump.run(&taken)));
        Self { orders, told, cut, status, heard, thread }
    }

    /// All bytes that the near end has sent.
    pub(crate) fn heard(&self) -> Vec<u8> {
        self.heard.lock().unwrap().clone()
    }

    fn order(&self, order: Order) {
        self.orders.send(order).unwrap();
    }

    /// Puts a reader on the bus, or another in its place.
    pub(crate) fn plug(&self, make: &Make) {
        let (tell, done) = sync_channel(1);
        self.order(Order::Plug(make.clone(), tell));
        done.recv().unwrap();
    }

    pub(crate) fn unplug(&self, address: i32) {
        self.order(Order::Unplug(address));
    }

    /// From now on (or no more) nothing comes through, either way.
    pub(crate) fn cut(&self, cut: bool) {
        self.cut.store(cut, Ordering::SeqCst);
    }

    pub(crate) fn meddle(&self, meddler: Option<Meddler>) {
        self.order(Order::Meddle(meddler));
    }

    pub(crate) fn card(&self, address: i32, bits: usize, data: &[u8]) {
        let card = OsdpEventCardRead::new_wiegand(bits, data.to_vec()).unwrap();
        self.order(Order::Event(address, OsdpEvent::CardRead(card)));
    }

    pub(crate) fn keys(&self, address: i32, keys: &[u8]) {
        let keys = OsdpEventKeyPress::new(keys.to_vec());
        self.order(Order::Event(address, OsdpEvent::KeyPress(keys)));
    }

    /// Tamper and power bits, told by the reader at once.
    pub(crate) fn status(&self, address: i32, tamper: bool, power: bool) {
        let bits = [u8::from(tamper), u8::from(power)];
        *self.status.lock().unwrap() = bits;
        let mut report = [0; 64];
        report[..2].copy_from_slice(&bits);
        let type_ = OsdpStatusReportType::Local;
        let status = OsdpStatusReport { type_, nr_entries: 2, report };
        self.order(Order::Event(address, OsdpEvent::Status(status)));
    }
}

impl Drop for FarEnd {
    fn drop(&mut self) {
        // A thread that panicked takes no order; its join tells.
        let _ = self.orders.send(Order::Stop);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
            && !std::thread::panicking()
        {
            panic!("the far end panicked");
        }
    }
}

type Pipe = Arc<Mutex<VecDeque<u8>>>;

/// What a device sees of the bus.
struct Wire {
    address: i32,
    from_bus: Pipe,
    to_bus: Pipe,
}

impl Channel for Wire {
    fn get_id(&self) -> i32 {
        self.address + 1
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ChannelError> {
        let mut pipe = self.from_bus.lock().unwrap();
        let count = pipe.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(pipe.drain(..count)) {
            *to = from;
        }
        if count == 0 { Err(ChannelError::WouldBlock) } else { Ok(count) }
    }

    fn write(&mut self, buffer: &[u8]) -> Result<usize, ChannelError> {
        self.to_bus.lock().unwrap().extend(buffer);
        Ok(buffer.len())
    }

    fn flush(&mut self) -> Result<(), ChannelError> {
        Ok(())
    }

    fn close(&mut self) -> Result<(), ChannelError> {
        Ok(())
    }
}

struct Device {
    address: i32,
    osdp: PeripheralDevice,
    from_bus: Pipe,
    to_bus: Pipe,
    /// The last command to it, and what it said.
    asked: Vec<u8>,
    answered: Vec<u8>,
}

impl Device {
    /// Takes what is said on the bus. A command that comes again gets the answer that it got, as
    /// the standard has it: libosdp would carry it out again, and with it end the secure channel.
    fn hear(&mut self, commands: &[Vec<u8>]) -> Vec<u8> {
        let mut again = Vec::new();
        for command in commands {
            if i32::from(command[1]) == self.address {
                if *command == self.asked {
                    again.clone_from(&self.answered);
                    continue;
                }
                self.asked.clone_from(command);
                self.answered.clear();
            }
            self.from_bus.lock().unwrap().extend(command);
        }
        again
    }
}

struct Pump {
    master: File,
    deframer: Deframer,
    heard: Arc<Mutex<Vec<u8>>>,
    cut: Arc<AtomicBool>,
    meddler: Option<Meddler>,
    devices: Vec<Device>,
    tell: SyncSender<(i32, Told)>,
    status: Arc<Mutex<[u8; 2]>>,
}

impl Pump {
    fn run(&mut self, orders: &Receiver<Order>) {
        let mut buffer = [0; 512];
        loop {
            while let Ok(order) = orders.try_recv() {
                match order {
                    Order::Stop => return,
                    order => self.take(order),
                }
            }
            // Readers look at their own clocks between the bytes: 2 ms is theirs.
            let wait = Timespec { tv_sec: 0, tv_nsec: 2_000_000 };
            let mut fds = [PollFd::new(&self.master, PollFlags::IN)];
            poll(&mut fds, Some(&wait)).unwrap();
            // Nobody at the near end: the kernel says so at once, and would have us spin.
            let hung = fds[0].revents().contains(PollFlags::HUP);
            if hung {
                match orders.recv_timeout(Duration::from_millis(2)) {
                    Ok(Order::Stop) => return,
                    Ok(order) => self.take(order),
                    Err(_) => {}
                }
            }
            let count = self.master.read(&mut buffer).unwrap_or(0);
            self.heard.lock().unwrap().extend(&buffer[..count]);
            let cut = self.cut.load(Ordering::SeqCst);
            let mut commands = Vec::new();
            for byte in buffer[..count].iter().filter(|_| !cut) {
                commands.extend(self.deframer.push(*byte).map(|packet| packet.bytes().to_vec()));
            }
            for device in &mut self.devices {
                let mut packet = device.hear(&commands);
                device.osdp.refresh();
                let answer: Vec<u8> = device.to_bus.lock().unwrap().drain(..).collect();
                if !answer.is_empty() {
                    device.answered.clone_from(&answer);
                    packet = answer;
                }
                if packet.is_empty() || cut {
                    continue;
                }
                let packet = match &mut self.meddler {
                    Some(meddler) => meddler(&packet),
                    None => Some(packet),
                };
                if let Some(packet) = packet {
                    // Nobody there to read it any more: as on a real bus.
                    let _ = self.master.write_all(&packet);
                }
            }
        }
    }

    fn take(&mut self, order: Order) {
        match order {
            Order::Event(address, event) => {
                let device = self.devices.iter_mut().find(|device| device.address == address);
                device.expect("no such reader").osdp.notify_event(event).unwrap();
            }
            Order::Plug(make, done) => {
                self.plug(&make);
                done.send(()).unwrap();
            }
            Order::Unplug(address) => self.devices.retain(|device| device.address != address),
            Order::Meddle(meddler) => self.meddler = meddler,
            Order::Stop => {}
        }
    }

    fn plug(&mut self, make: &Make) {
        self.devices.retain(|device| device.address != make.address);
        let (from_bus, to_bus) = (Pipe::default(), Pipe::default());
        let wire = Wire {
            address: make.address,
            from_bus: Arc::clone(&from_bus),
            to_bus: Arc::clone(&to_bus),
        };
        let osdp = make.build(wire, self.tell.clone(), Arc::clone(&self.status));
        self.devices.push(Device {
            address: make.address,
            osdp,
            from_bus,
            to_bus,
            asked: Vec::new(),
            answered: Vec::new(),
        });
    }
}
