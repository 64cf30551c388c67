// The sliders, and what they say.

/** {strength, keepColour, near, far, focus} in [0,1]. */
export function readControls(form) {
  const names = ['strength', 'keepColour', 'near', 'far', 'focus'];
  return Object.fromEntries(names.map((name) => [name, Number(form.elements[name].value) / 100]));
}

/** Call `changed()` when a slider moves, and show its value beside its name. */
export function watchControls(form, changed) {
  const show = () => {
    for (const slider of form.querySelectorAll('input[type=range]')) {
      slider.closest('label').querySelector('output').textContent = `${slider.value} %`;
    }
  };
  form.addEventListener('input', () => {
    show();
    changed();
  });
  form.addEventListener('reset', () => setTimeout(() => {
    show();
    changed();
  }));
  form.addEventListener('submit', (event) => event.preventDefault());
  show();
}

/** Say whether near and far can be set with `style`, and if not, why. */
export function allowPlaces(form, style, catalogue) {
  const mapped = style.controls.includes('weight_map');
  let reason = '';
  if (!mapped) reason = `${style.title} was trained without maps: it does not tell near from far.`;
  else if (!catalogue.depth) reason = 'This page was made without a depth network.';
  form.querySelector('#places').disabled = Boolean(reason);
  const note = form.querySelector('#unmapped');
  note.textContent = reason;
  note.hidden = !reason;
}
