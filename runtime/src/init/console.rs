//! The container's terminal: opened from its own devpts, its master sent to whoever asked.

use super::{Child, StepResult};
use crate::plan::{Place, Slot};
use crate::spec::ConsoleSize;
use kernel::mount::{self, CloneTree};
use kernel::rootdir::Missing;
use kernel::{process, pty};
use std::os::fd::AsFd;

impl Child<'_> {
    pub(super) fn open_console(
        &mut self,
        ptmx: &Place,
        console: Option<&Place>,
        (socket, terminal): (Slot, Slot),
        size: Option<ConsoleSize>,
        is_relayed: bool,
    ) -> StepResult {
        let master = pty::open_master(self.base(ptmx)?, &ptmx.path)?;
        let peer = pty::open_peer(&master)?;
        if let Some(size) = size {
            pty::set_size(&master, size.width, size.height)?;
        }
        if is_relayed {
            kernel::terminal::pass_newlines(&master)?;
        }
        if let Some(console) = console {
            let tree = mount::clone_tree_at(&peer, CloneTree::default())?;
            let target = self.base(console)?.open_or_make(&console.path, Missing::File)?;
            mount::attach(&tree, &target)?;
        }
        let name = format!("/dev/pts/{}", pty::number(&master)?);
        kernel::unix_socket::send(self.slot(socket)?, name.as_bytes(), &[master.as_fd()])?;
        self.slots[socket.0] = None;
        self.keep(terminal, peer);
        Ok(())
    }

    pub(super) fn new_session(&mut self, terminal: Option<Slot>) -> StepResult {
        process::setsid()?;
        let Some(slot) = terminal else { return Ok(()) };
        let terminal = self.slot(slot)?;
        pty::set_controlling(terminal)?;
        for stream in 0..3 {
            process::dup_onto(terminal, stream)?;
        }
        self.slots[slot.0] = None;
        Ok(())
    }
}
