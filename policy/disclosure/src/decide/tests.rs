//! What `release` does under a profile with noise, invariant by invariant.

mod meter;
mod model;
mod referee;
mod same;
mod scale;
mod separation;
mod sets;
mod statistics;
mod threshold;
mod world;
