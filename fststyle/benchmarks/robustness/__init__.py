"""Damaged files and killed trainings, by the thousand: how do commands end?"""
