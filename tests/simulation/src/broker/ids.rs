//! Packet identifiers of a session.

/// The packet identifiers from 1 to a highest one, and which of them are in use.
#[derive(Debug, Clone)]
pub(super) struct PacketIds {
    in_use: Vec<bool>,
    last: usize,
    free: usize,
}

impl PacketIds {
    pub(super) fn new(highest: u16) -> Self {
        let highest = usize::from(highest.max(1));
        Self { in_use: vec![false; highest], last: highest - 1, free: highest }
    }

    /// The next identifier behind the last one given that is not in use; `None` where all of them are.
    pub(super) fn give(&mut self) -> Option<u16> {
        if self.free == 0 {
            return None;
        }
        let highest = self.in_use.len();
        let place = (1..=highest)
            .map(|step| (self.last + step) % highest)
            .find(|place| self.in_use.get(*place) == Some(&false))?;
        if let Some(in_use) = self.in_use.get_mut(place) {
            *in_use = true;
        }
        self.free -= 1;
        self.last = place;
        u16::try_from(place + 1).ok()
    }

    /// Whether [`Self::give`] has an identifier to give.
    pub(super) const fn is_any_free(&self) -> bool {
        self.free > 0
    }

    /// Ends the use of an identifier.
    pub(super) fn release(&mut self, packet_id: u16) {
        let place = usize::from(packet_id).wrapping_sub(1);
        if let Some(in_use) = self.in_use.get_mut(place)
            && *in_use
        {
            *in_use = false;
            self.free += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_come_again_and_none_that_is_in_use() {
        let mut ids = PacketIds::new(3);
        assert_eq!([ids.give(), ids.give(), ids.give(), ids.give()], [Some(1), Some(2), Some(3), None]);
        ids.release(2);
        assert_eq!(ids.give(), Some(2));
        ids.release(1);
        ids.release(3);
        assert_eq!([ids.give(), ids.give(), ids.give()], [Some(3), Some(1), None]);
    }

    #[test]
    fn an_identifier_is_released_once() {
        let mut ids = PacketIds::new(2);
        assert_eq!(ids.give(), Some(1));
        ids.release(1);
        ids.release(1);
        ids.release(0);
        assert_eq!([ids.give(), ids.give(), ids.give()], [Some(2), Some(1), None]);
    }
}
