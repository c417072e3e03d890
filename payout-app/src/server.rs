//! The HTTP server: its socket, its limits, and the report of its failure.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use salvo::conn::tcp::TcpAcceptor;
use salvo::server::ServerHandle;
use salvo::{Server, Service};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::failure::AppError;
use crate::http::admission::{Connections, Doorkeeper};
use crate::settings::ConfigError;

/// The largest number of connections that wait to be accepted.
const BACKLOG: u32 = 1024;

/// Listens on an address. An error names the variable that set it.
pub(crate) fn listen(variable: &'static str, address: SocketAddr) -> Result<TcpListener, ConfigError> {
    let listen = || {
        let socket = if address.is_ipv4() {
            TcpSocket::new_v4()
        } else {
            TcpSocket::new_v6()
        }?;
        socket.set_reuseaddr(true)?;
        // Accepted connections inherit this: an answer of several packets must not wait for an acknowledgement.
        socket.set_nodelay(true)?;
        // A client that has disappeared must not keep its connection.
        socket.set_keepalive(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    listen().map_err(|error| ConfigError {
        variable,
        message: format!("cannot listen on {address}: {error}"),
    })
}

/// Serves until the handle stops the server.
pub(crate) fn serve(
    listener: TcpListener,
    service: Service,
    connections: Arc<Connections>,
    fail: Failing,
) -> Result<(ServerHandle, JoinHandle<()>), AppError> {
    let acceptor = TcpAcceptor::try_from(listener).map_err(AppError::Server)?;
    let server = Server::new(acceptor).fuse_policy(Doorkeeper(connections));
    let handle = server.handle();
    let task = tokio::spawn(async move {
        if let Err(error) = server.try_serve(service).await {
            fail.with(AppError::Server(error));
        }
    });
    Ok((handle, task))
}

/// Reports the first failure of any task.
#[derive(Clone)]
pub(crate) struct Failing(Arc<Mutex<Option<oneshot::Sender<AppError>>>>);

impl Failing {
    pub(crate) fn new(sender: oneshot::Sender<AppError>) -> Self {
        Self(Arc::new(Mutex::new(Some(sender))))
    }

    pub(crate) fn with(&self, error: AppError) {
        let sender = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(sender) = sender {
            let _ = sender.send(error);
        }
    }
}
