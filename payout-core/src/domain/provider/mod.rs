//! What is said to a payment provider, and what it says: an [`Instruction`] under a [`ProcessorKey`], and a
//! [`ProviderAnswer`] or a [`ProcessorError`].

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
