//! The payment provider's side of the protocol: an [`Instruction`] is sent under a [`ProcessorKey`], and the result is
//! a [`ProviderAnswer`] or a [`ProcessorError`]. A [`LookUp`] asks for a payment again; [`Routes`] choose the provider.

mod activity;
mod answer;
mod capabilities;
mod decline;
mod error;
mod instruction;
mod key;
mod look_up;
mod name;
mod notification;
mod reported;
mod routing;
mod waiting;

pub use activity::{Balance, ProviderCalls};
pub use answer::{PaymentReturn, ProviderAnswer};
pub use capabilities::{Capabilities, ReturnWindow};
pub use decline::DeclineCode;
pub use error::ProcessorError;
pub use instruction::Instruction;
pub use key::ProcessorKey;
pub use look_up::{LookUp, LookUpAnswer};
pub use name::{InvalidProviderName, ProviderName};
pub use notification::{Notification, NotificationError, PaymentName};
pub use reported::{ReportedPayment, exact_number};
pub use routing::{NoRoute, Route, Routes};
pub use waiting::WaitReason;
