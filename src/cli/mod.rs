//! The command line. One file per noun: its arguments, and the function that carries them out.

pub mod local;
