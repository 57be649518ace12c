//! `linux.netDevices`: network devices that move into the container
//! (config-linux.md#network-devices), up and with their lasting global addresses.

use super::LifecycleError;
use super::error::kernel_error;
use super::rtnetlink::{Attribute, Message};
use crate::spec::NetDevice;
use kernel::process::CloneFlags;
use kernel::{file, namespace};
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage,
    NetlinkPayload,
};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// Index numbers tried in the container when the device's own is taken there.
const MAX_INDEX_TRIES: u32 = 4096;
/// Bytes of one answer; the kernel fills at most 32 KiB.
const ANSWER_BYTES: usize = 64 << 10;
/// Addresses of one device that move with it.
const MAX_ADDRESSES: usize = 4096;

/// Moves devices into the network namespace of the container, which its process is in or joins.
pub(super) fn move_devices(
    devices: &[NetDevice],
    joined: Option<OwnedFd>,
    pid: i32,
) -> Result<(), LifecycleError> {
    if devices.is_empty() {
        return Ok(());
    }
    let target = match joined {
        Some(target) => target,
        None => file::open_read(file::CWD, format!("/proc/{pid}/ns/net"))
            .map_err(kernel_error("open the container's network namespace"))?,
    };
    devices.iter().try_for_each(|device| move_device(device, &target))
}

fn move_device(device: &NetDevice, target: &OwnedFd) -> Result<(), LifecycleError> {
    let failed = |what: &'static str| {
        let name = device.host_name.clone();
        move |source: io::Error| LifecycleError::NetDevice { name, what, source }
    };
    let mut here = Route::open().map_err(failed("open a netlink socket for"))?;
    let index = here.index_of(&device.host_name).map_err(failed("find"))?;
    let addresses = here.lasting_addresses(index).map_err(failed("read the addresses of"))?;
    let index = here.send_away(index, target, &device.name).map_err(failed("move"))?;
    let mut there = in_namespace(target, Route::open)?.map_err(failed("configure"))?;
    for address in &addresses {
        there.add_address(index, address).map_err(failed("give its addresses back to"))?;
    }
    there.set_up(index).map_err(failed("set up"))
}

/// Runs `work` in another network namespace; what it opens stays there.
fn in_namespace<T>(target: &OwnedFd, work: impl FnOnce() -> T) -> Result<T, LifecycleError> {
    let own = file::open_read(file::CWD, c"/proc/self/ns/net")
        .map_err(kernel_error("open own network namespace"))?;
    namespace::join(target, CloneFlags::NEWNET)
        .map_err(kernel_error("enter the container's network namespace"))?;
    let result = work();
    namespace::join(&own, CloneFlags::NEWNET)
        .map_err(kernel_error("return to own network namespace"))?;
    Ok(result)
}

/// A route netlink socket (rtnetlink(7)).
struct Route {
    socket: Socket,
    sequence: u32,
}

impl Route {
    fn open() -> io::Result<Route> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(Route { socket, sequence: 0 })
    }

    /// Sends one request and collects what answers it.
    fn ask(&mut self, flags: u16, request: Message) -> io::Result<Vec<Message>> {
        self.ask_for(flags, request, |_| true)
    }

    /// Likewise, of what interests only.
    fn ask_for(
        &mut self,
        flags: u16,
        request: Message,
        interests: impl Fn(&Message) -> bool,
    ) -> io::Result<Vec<Message>> {
        self.sequence += 1;
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | flags;
        header.sequence_number = self.sequence;
        let mut message = NetlinkMessage::new(header, NetlinkPayload::from(request));
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        self.socket.send(&bytes, 0)?;
        self.answers(interests)
    }

    fn answers(&self, interests: impl Fn(&Message) -> bool) -> io::Result<Vec<Message>> {
        let mut answers = Vec::new();
        loop {
            let mut buffer = Vec::with_capacity(ANSWER_BYTES);
            self.socket.recv(&mut buffer, 0)?;
            let mut rest = buffer.as_slice();
            while !rest.is_empty() {
                let message =
                    NetlinkMessage::<Message>::deserialize(rest).map_err(io::Error::other)?;
                let length = usize::try_from(message.header.length).unwrap_or(rest.len());
                // Messages start at multiples of four.
                rest = rest.get(length.next_multiple_of(4).max(4)..).unwrap_or_default();
                match message.payload {
                    NetlinkPayload::Error(error) => {
                        return match error.code {
                            None => Ok(answers),
                            Some(_) => Err(error.to_io()),
                        };
                    }
                    NetlinkPayload::Done(_) => return Ok(answers),
                    NetlinkPayload::InnerMessage(answer) if interests(&answer) => {
                        if answers.len() == MAX_ADDRESSES {
                            let text = format!("there are more than {MAX_ADDRESSES}");
                            return Err(io::Error::other(text));
                        }
                        answers.push(answer);
                    }
                    _ => {}
                }
            }
        }
    }

    fn index_of(&mut self, name: &str) -> io::Result<u32> {
        let request = Message::get_link(vec![Attribute::link_name(name)]);
        let answers = self.ask(NLM_F_ACK, request)?;
        let index = answers.iter().find_map(Message::link_index);
        index.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    fn lasting_addresses(&mut self, index: u32) -> io::Result<Vec<Message>> {
        let is_one = |answer: &Message| answer.is_lasting_address_of(index);
        self.ask_for(NLM_F_DUMP, Message::get_addresses(), is_one)
    }

    /// Moves the link under a new name; returns its index over there: its own, or the next that
    /// is free.
    fn send_away(&mut self, index: u32, target: &OwnedFd, name: &str) -> io::Result<u32> {
        const EBUSY: i32 = 16;
        let mut result = Err(io::Error::from_raw_os_error(EBUSY));
        for new in index..index.saturating_add(MAX_INDEX_TRIES) {
            let attributes = vec![
                Attribute::namespace(target.as_fd()),
                Attribute::link_name(name),
                Attribute::new_index(new),
            ];
            let request = Message::set_link(index, 0, attributes);
            result = self.ask(NLM_F_ACK, request).map(|_| new);
            match &result {
                Err(error) if error.raw_os_error() == Some(EBUSY) => {}
                _ => return result,
            }
        }
        result
    }

    fn add_address(&mut self, index: u32, address: &Message) -> io::Result<()> {
        let flags = NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
        self.ask(flags, address.address_again(index)).map(drop)
    }

    fn set_up(&mut self, index: u32) -> io::Result<()> {
        const IFF_UP: u32 = 1;
        self.ask(NLM_F_ACK, Message::set_link(index, IFF_UP, Vec::new())).map(drop)
    }
}
