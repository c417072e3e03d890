//! The operators' console, through the real binary: by plain HTTP forms, and by a browser.

mod attacks;
mod people;
mod sessions;
