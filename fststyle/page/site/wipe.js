// The border between the original and the stylized picture: a slider that lies over both.

/** `view`: the element with both; `slider`: the range. Returns a function that shows or hides it. */
export function makeWipe(view, slider) {
  const place = () => view.style.setProperty('--wipe', slider.hidden ? 0 : slider.value);
  slider.addEventListener('input', place);
  return (shown) => {
    slider.hidden = !shown;
    place();
  };
}
