//! The faults, each as a test of any market.

mod connections;
mod numbers;
mod rest;

pub(crate) use self::{connections::*, numbers::*, rest::*};
