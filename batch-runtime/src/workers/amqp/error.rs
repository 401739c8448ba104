//! Errors that rule out a RabbitMQ server for good.

use lapin::protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError};
use lapin::{Error, ErrorKind};

use super::address::Address;

/// A RabbitMQ server cannot be used, and waiting does not help. No message shows the password.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum BrokerError {
    /// The URL is malformed.
    #[error(
        "`{url}` is not the URL of a RabbitMQ server: {why}; write amqp://user:password@host:5672/vhost, with %xx for special characters"
    )]
    Url {
        /// The URL without its password.
        url: String,
        /// The problem.
        why: String,
    },
    /// The URL asks for TLS, and the program is built without it.
    #[error("`{url}` asks for TLS: build the program with the feature `amqp-tls`, or write `amqp://`")]
    NoTls {
        /// The URL without its password.
        url: String,
    },
    /// The host has no address.
    #[error("the host of {place} cannot be found: {why}")]
    Host {
        /// The server.
        place: String,
        /// The system's message.
        why: String,
    },
    /// The server does not know the user, or the password is wrong.
    #[error("RabbitMQ refuses the user or the password of {place}: {why}")]
    Login {
        /// The server.
        place: String,
        /// The server's message.
        why: String,
    },
    /// The virtual host does not exist, or the user may not use it.
    #[error(
        "RabbitMQ refuses the virtual host of {place}: {why}; create it with `rabbitmqctl add_vhost` and let the user in with `rabbitmqctl set_permissions`"
    )]
    VirtualHost {
        /// The server.
        place: String,
        /// The server's message.
        why: String,
    },
    /// The peer does not speak AMQP 0-9-1, or one side uses TLS and the other does not.
    #[error(
        "{place} does not answer like RabbitMQ ({why}): check the port; 5672 is usual for `amqp://`, 5671 with TLS for `amqps://`"
    )]
    Protocol {
        /// The server.
        place: String,
        /// The reason.
        why: String,
    },
    /// A queue cannot be declared.
    #[error(
        "RabbitMQ refuses the queue `{queue}`: {why}; the user needs the permissions to configure, write and read `^batch\\.`; if another program has made a queue with that name, delete it"
    )]
    Queue {
        /// The name of the queue.
        queue: String,
        /// The server's message.
        why: String,
    },
    /// The system cannot start a thread for the connection.
    #[error("cannot start a thread for the connection to {place}: {why}")]
    NoThread {
        /// The server.
        place: String,
        /// The system's message.
        why: String,
    },
}

impl BrokerError {
    /// The reason why a connection can never be made; `None` if another try may succeed.
    pub(super) fn of_connection(address: &Address, error: &Error) -> Option<Self> {
        let (place, why) = (address.to_string(), error.to_string());
        match error.kind() {
            ErrorKind::ProtocolError(told) => match told.kind() {
                AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) => {
                    Some(Self::Login { place, why: told.get_message().to_string() })
                }
                AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED) => {
                    Some(Self::VirtualHost { place, why: told.get_message().to_string() })
                }
                _ => None,
            },
            ErrorKind::InvalidProtocolVersion(_) | ErrorKind::ParsingError(_) => {
                Some(Self::Protocol { place, why })
            }
            ErrorKind::IOError(error) if is_not_tls(error) => Some(Self::Protocol { place, why }),
            _ => None,
        }
    }

    /// The reason why a queue can never be declared; `None` if another try may succeed.
    pub(super) fn of_queue(queue: &str, error: &Error) -> Option<Self> {
        let ErrorKind::ProtocolError(told) = error.kind() else { return None };
        matches!(
            told.kind(),
            AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED | AMQPSoftError::PRECONDITIONFAILED)
        )
        .then(|| Self::Queue { queue: queue.to_owned(), why: told.get_message().to_string() })
    }
}

/// Whether a peer has answered with something that TLS does not understand.
fn is_not_tls(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::InvalidData)
}
