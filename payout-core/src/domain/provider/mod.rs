//! The payment provider's side of the protocol: an [`Instruction`] is sent under a [`ProcessorKey`], and the result is
//! a [`ProviderAnswer`] or a [`ProcessorError`].

mod answer;
mod error;
mod instruction;
mod key;
mod reported;

pub use answer::ProviderAnswer;
pub use error::ProcessorError;
pub use instruction::Instruction;
pub use key::ProcessorKey;
pub use reported::ReportedPayment;
