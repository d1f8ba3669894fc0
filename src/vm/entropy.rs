//! Random bytes for secrets, as the host fetched them: nothing that opens a session comes from the VM's
//! own generator.

/// Bytes kept.
const SIZE: usize = 256;
/// What one request may take: a nonce, a secret and what seals it, twice over.
const LOW: usize = 128;

/// A stock of them; each is handed out once.
#[derive(Default)]
pub struct Entropy {
    stock: Vec<u8>,
}

impl Entropy {
    /// How many bytes are to be fetched before the next input; 0: there are enough.
    pub fn wanted(&self) -> usize {
        if self.stock.len() >= LOW {
            0
        } else {
            SIZE.saturating_sub(self.stock.len())
        }
    }

    /// Takes in bytes of a generator made for keys.
    pub fn refill(&mut self, bytes: &[u8]) {
        let room = SIZE.saturating_sub(self.stock.len());
        self.stock.extend(bytes.iter().take(room));
    }

    /// `N` bytes; `None` when there are not as many: then there is no secret.
    pub fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let at = self.stock.len().checked_sub(N)?;
        self.stock.split_off(at).try_into().ok()
    }
}

/// Never printed.
impl core::fmt::Debug for Entropy {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Entropy")
            .field("left", &self.stock.len())
            .finish_non_exhaustive()
    }
}
