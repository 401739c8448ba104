//! Signs the messages between manager and workers. The secret is the name of the execution's owner. Both sides know
//! it from the repository, and neither sends it. A message from anybody else is dropped.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The length of a signature.
const LENGTH: usize = 32;

/// The sender of a message. The signature covers the sender too, so that nobody can pass a request off as a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sender {
    Manager,
    Worker,
}

/// Signs the messages of one execution.
#[derive(Clone)]
pub(crate) struct Secret(Hmac<Sha256>);

impl Secret {
    pub(crate) fn of_owner(uuid: &str) -> Self {
        Self(Hmac::new_from_slice(uuid.as_bytes()).expect("HMAC accepts a key of any length"))
    }

    fn mac(&self, from: Sender, body: &[u8]) -> Hmac<Sha256> {
        let Self(mut mac) = self.clone();
        mac.update(match from {
            Sender::Manager => b"manager",
            Sender::Worker => b"worker ",
        });
        mac.update(body);
        mac
    }

    /// Fills in the signature of a message that was [begun](begin).
    pub(crate) fn sign(&self, from: Sender, mut message: Vec<u8>) -> Vec<u8> {
        let signature = self.mac(from, &message[LENGTH..]).finalize().into_bytes();
        message[..LENGTH].copy_from_slice(&signature);
        message
    }

    /// Returns whether the message is signed with this secret.
    pub(crate) fn has_signed(&self, from: Sender, message: &[u8]) -> bool {
        message
            .split_at_checked(LENGTH)
            .is_some_and(|(signature, body)| self.mac(from, body).verify_slice(signature).is_ok())
    }
}

/// Returns an empty message with room for a signature.
pub(crate) fn begin() -> Vec<u8> {
    vec![0; LENGTH]
}

/// Returns the content of a message without checking the signature; empty if the message is too short to have one.
pub(crate) fn body(message: &[u8]) -> &[u8] {
    message.get(LENGTH..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(secret: &Secret, from: Sender) -> Vec<u8> {
        let mut message = begin();
        message.extend_from_slice(b"chunk 7");
        secret.sign(from, message)
    }

    #[test]
    fn a_message_that_was_changed_or_signed_by_another_is_not_accepted() {
        let (ours, other) = (Secret::of_owner("a"), Secret::of_owner("b"));
        let signed = message(&ours, Sender::Worker);
        assert!(ours.has_signed(Sender::Worker, &signed));
        assert_eq!(body(&signed), b"chunk 7");
        assert!(!other.has_signed(Sender::Worker, &signed));
        for at in 0..signed.len() {
            let mut changed = signed.clone();
            changed[at] ^= 1;
            assert!(!ours.has_signed(Sender::Worker, &changed), "byte {at}");
            assert!(!ours.has_signed(Sender::Worker, &signed[..at]), "the first {at} bytes");
        }
    }

    #[test]
    fn a_request_that_comes_back_is_not_a_reply() {
        let secret = Secret::of_owner("a");
        assert!(!secret.has_signed(Sender::Worker, &message(&secret, Sender::Manager)));
    }
}
