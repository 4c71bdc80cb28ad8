"""Runs that keep to constraints: an interior point method, and what helps it."""
