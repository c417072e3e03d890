//! The operators' console, through the real binary: by plain HTTP forms, and by a browser.

mod attacks;
mod bulk;
mod people;
mod providers;
mod sessions;
