"""Pictures of computations, as DOT text and as SVG, with no software beside Python."""
