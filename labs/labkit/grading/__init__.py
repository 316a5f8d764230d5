"""Grades assignments: a student's answers are found by name and held to the student's own evidence and to physics.

`assignment` is what is asked, `submission` what was handed in, `answers` runs a notebook within limits, `report` says
what came out, and `notebooks` writes the students' notebooks and the autograder's.
"""
