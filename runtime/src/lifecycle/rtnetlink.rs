//! The few messages of rtnetlink(7) that moving a device takes. An address goes from one namespace
//! to the other as the kernel wrote it, so that its attributes need no model: a crate that has one
//! for all of them would be a seventh of the program.

use netlink_packet_core::{
    DecodeError, DefaultNla, Emitable, NetlinkDeserializable, NetlinkHeader, NetlinkPayload,
    NetlinkSerializable, Nla, NlasIterator, Parseable,
};
use std::os::fd::{AsRawFd, BorrowedFd};

const NEW_LINK: u16 = 16;
const GET_LINK: u16 = 18;
const SET_LINK: u16 = 19;
const NEW_ADDRESS: u16 = 20;
const GET_ADDRESS: u16 = 22;

/// Bytes of a `struct ifinfomsg` and of a `struct ifaddrmsg`.
const LINK_BYTES: usize = 16;
const ADDRESS_BYTES: usize = 8;

/// An attribute of a link (`IFLA_*`) or an address (`IFA_*`).
pub(super) struct Attribute(DefaultNla);

impl Attribute {
    /// The name of a link, with its terminating zero.
    pub(super) fn link_name(name: &str) -> Self {
        const IFNAME: u16 = 3;
        Self(DefaultNla::new(IFNAME, [name.as_bytes(), b"\0"].concat()))
    }

    /// The network namespace a link is to move to.
    pub(super) fn namespace(file: BorrowedFd<'_>) -> Self {
        const NET_NS_FD: u16 = 28;
        Self(DefaultNla::new(NET_NS_FD, file.as_raw_fd().to_ne_bytes().to_vec()))
    }

    /// The index that a link is to have there.
    pub(super) fn new_index(index: u32) -> Self {
        const NEW_IFINDEX: u16 = 49;
        Self(DefaultNla::new(NEW_IFINDEX, index.to_ne_bytes().to_vec()))
    }
}

/// A message about a link or an address: its fixed part as the kernel lays it out, and attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    kind: u16,
    fixed: Vec<u8>,
    attributes: Vec<DefaultNla>,
}

impl Message {
    /// Asks for the link that the attributes name.
    pub(super) fn get_link(attributes: Vec<Attribute>) -> Self {
        Self::new(GET_LINK, vec![0; LINK_BYTES], attributes)
    }

    /// Changes the link of this index: these flags are set, the others left alone.
    pub(super) fn set_link(index: u32, flags: u32, attributes: Vec<Attribute>) -> Self {
        // Family, padding and type; index; flags; which of them change.
        let fixed = [0, index, flags, flags].map(u32::to_ne_bytes).concat();
        Self::new(SET_LINK, fixed, attributes)
    }

    /// Asks for all addresses of the namespace.
    pub(super) fn get_addresses() -> Self {
        Self::new(GET_ADDRESS, vec![0; ADDRESS_BYTES], Vec::new())
    }

    fn new(kind: u16, fixed: Vec<u8>, attributes: Vec<Attribute>) -> Self {
        let attributes = attributes.into_iter().map(|attribute| attribute.0).collect();
        Self { kind, fixed, attributes }
    }

    /// The index, if this is a link.
    pub(super) fn link_index(&self) -> Option<u32> {
        (self.kind == NEW_LINK).then(|| self.index()).flatten()
    }

    /// In both fixed parts it has the same place.
    fn index(&self) -> Option<u32> {
        let bytes = self.fixed.get(4..8)?;
        Some(u32::from_ne_bytes(bytes.try_into().ok()?))
    }

    /// Whether this is an address of that link which has no end of life and a meaning beyond it.
    pub(super) fn is_lasting_address_of(&self, index: u32) -> bool {
        const PERMANENT: u8 = 0x80;
        const UNIVERSE: u8 = 0;
        let [_family, _prefix, flags, scope, ..] = self.fixed[..] else { return false };
        let lasting = flags & PERMANENT != 0 && scope == UNIVERSE;
        self.kind == NEW_ADDRESS && lasting && self.index() == Some(index)
    }

    /// The same address for another link. Life times are the kernel's to count, and a lasting
    /// address has none.
    pub(super) fn address_again(&self, index: u32) -> Self {
        const KEPT: [u16; 5] = [ADDRESS, LOCAL, BROADCAST, FLAGS, ROUTE_PRIORITY];
        const ADDRESS: u16 = 1;
        const LOCAL: u16 = 2;
        const BROADCAST: u16 = 4;
        const FLAGS: u16 = 8;
        const ROUTE_PRIORITY: u16 = 9;
        let mut again = self.clone();
        again.fixed.truncate(4);
        again.fixed.extend(index.to_ne_bytes());
        again.attributes.retain(|attribute| KEPT.contains(&attribute.kind()));
        again
    }
}

impl NetlinkSerializable for Message {
    fn message_type(&self) -> u16 {
        self.kind
    }

    fn buffer_len(&self) -> usize {
        self.fixed.len() + self.attributes.as_slice().buffer_len()
    }

    fn serialize(&self, buffer: &mut [u8]) {
        let (fixed, attributes) = buffer.split_at_mut(self.fixed.len());
        fixed.copy_from_slice(&self.fixed);
        self.attributes.as_slice().emit(attributes);
    }
}

impl NetlinkDeserializable for Message {
    type Error = DecodeError;

    fn deserialize(header: &NetlinkHeader, payload: &[u8]) -> Result<Self, DecodeError> {
        let kind = header.message_type;
        let length = if kind < NEW_ADDRESS { LINK_BYTES } else { ADDRESS_BYTES };
        let (fixed, rest) = payload
            .split_at_checked(length)
            .ok_or_else(|| DecodeError::from(format!("a message of {} bytes", payload.len())))?;
        let attributes = NlasIterator::new(rest)
            .map(|attribute| DefaultNla::parse(&attribute?))
            .collect::<Result<_, _>>()?;
        Ok(Self { kind, fixed: fixed.to_vec(), attributes })
    }
}

impl From<Message> for NetlinkPayload<Message> {
    fn from(message: Message) -> Self {
        Self::InnerMessage(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: u16, payload: &[u8]) -> Result<Message, DecodeError> {
        let mut header = NetlinkHeader::default();
        header.message_type = kind;
        Message::deserialize(&header, payload)
    }

    #[test]
    fn a_lasting_address_is_given_again_without_its_life_time() {
        let mut bytes = vec![2, 24, 0x80, 0];
        bytes.extend(7u32.to_ne_bytes());
        // IFA_LOCAL of 4 bytes, IFA_CACHEINFO of 16.
        bytes.extend([8, 0, 2, 0, 10, 0, 0, 1]);
        bytes.extend([20, 0, 6, 0]);
        bytes.extend([255; 16]);
        let address = read(NEW_ADDRESS, &bytes).unwrap();
        assert!(address.is_lasting_address_of(7) && !address.is_lasting_address_of(8));
        let again = address.address_again(9);
        let mut written = vec![0; again.buffer_len()];
        again.serialize(&mut written);
        assert_eq!(written, [2, 24, 0x80, 0, 9, 0, 0, 0, 8, 0, 2, 0, 10, 0, 0, 1]);
        bytes[2] = 0;
        assert!(!read(NEW_ADDRESS, &bytes).unwrap().is_lasting_address_of(7));
    }

    #[test]
    fn what_is_cut_short_is_refused() {
        assert!(read(NEW_LINK, &[0; 15]).is_err());
        assert!(read(NEW_ADDRESS, &[0; 7]).is_err());
        // An attribute that says it is longer than the message.
        let cut = [[0; 8].as_slice(), &[9, 0, 2, 0, 1]].concat();
        assert!(read(NEW_ADDRESS, &cut).is_err());
    }
}
